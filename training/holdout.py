"""What is kept from training, fixed by hash: the same in every run, whatever else changes."""

from __future__ import annotations

import hashlib
from typing import Literal

Part = Literal["train", "pair", "concept"]
"""Trained on; the concept is trained on but not in this style; the concept is not trained on at all."""


def part(concept: str, style: str, *, concepts: float, pairs: float) -> Part:
    """Where the picture of ``concept`` in ``style`` belongs, given the shares that are held out."""
    if _share(concept) < concepts:
        return "concept"
    return "pair" if _share(f"{concept}/{style}") < pairs else "train"


def _share(text: str) -> float:
    """A number in [0, 1) that is a function of ``text``, evenly spread."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
