"""Driving a denoiser by hand, to see what it asks in one go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aldente.engine.denoise import Asking, Latent, Query


def drive(asking: Asking[Any], evaluate: Callable[[Query], Latent]) -> tuple[Any, list[int]]:
    """The result of ``asking`` and how many evaluations it asked for in each go."""
    goes, answers = [], None
    while True:
        try:
            queries = next(asking) if answers is None else asking.send(answers)
        except StopIteration as stop:
            return stop.value, goes
        goes.append(len(queries))
        answers = [evaluate(query) for query in queries]


@pytest.fixture
def asked() -> Callable[..., tuple[Any, list[int]]]:
    """``asked(asking, evaluate) -> (result, goes)``."""
    return drive


@pytest.fixture
def picture() -> Callable[..., Any]:
    """``picture(seed, shape)``: a random latent, b c h w."""
    from aldente.engine.noise import normal

    return lambda seed, shape=(2, 4, 6, 5): normal(seed, "picture", (), shape).astype("float64")
