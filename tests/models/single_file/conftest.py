"""Tiny checkpoints in one file of the original layout; without torch and diffusers these tests are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")


@pytest.fixture(scope="session")
def original(tiny: Callable[[str], Path]) -> Callable[[str], Path]:
    """A kind of tiny checkpoint in one file, as A1111 keeps it."""
    from original_layout import save_original

    def made(kind: str) -> Path:
        folder = tiny(kind)
        path = folder.with_name(f"{kind}.safetensors")
        return path if path.exists() else save_original(folder, path)

    return made
