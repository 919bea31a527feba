"""Tiny checkpoints; without torch and diffusers these tests are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")


@pytest.fixture(scope="session")
def checkpoint(tiny: Callable[[str], Path]) -> Callable[[str], Path]:
    """The folder of a kind of tiny checkpoint."""
    return tiny
