"""Tiny checkpoints for all tests of models, built once a run; without torch and diffusers those tests are left out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "diffusers"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind of tiny checkpoint, built when it is first asked for."""
    from tiny import build

    place = tmp_path_factory.mktemp("checkpoints")
    return lambda kind: build(kind, place / kind)
