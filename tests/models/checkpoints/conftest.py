"""Tiny checkpoints of every architecture, built once for all tests of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "diffusers"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind of tiny checkpoint, built when it is first asked for."""
    pytest.importorskip("diffusers")
    from tiny import build

    place = tmp_path_factory.mktemp("checkpoints")
    return lambda kind: build(kind, place / kind)
