"""Tiny checkpoints, and LoRAs of every kind for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "diffusers"))
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose a hundredfold on threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind of tiny checkpoint, built when it is first asked for."""
    from tiny import build

    place = tmp_path_factory.mktemp("checkpoints")
    return lambda kind: build(kind, place / kind)
