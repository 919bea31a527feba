"""Tiny checkpoints in diffusers folders, and the same in one file of the original layout."""

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


@pytest.fixture(scope="session")
def original(tiny: Callable[[str], Path]) -> Callable[[str], Path]:
    """A kind of tiny checkpoint in one file, as A1111 keeps it."""
    from original_layout import save_original

    def made(kind: str) -> Path:
        folder = tiny(kind)
        path = folder.with_name(f"{kind}.safetensors")
        return path if path.exists() else save_original(folder, path)

    return made
