"""Pictures that a recipe is given, and how they come to its size."""

from __future__ import annotations

from typing import Literal

Fit = Literal["stretch", "crop", "fill"]
"""How a picture is brought to a size: A1111's just resize, crop and resize, resize and fill."""

FILE = r"^(?:[0-9a-f]{64})?$"
"""A file of the store by its SHA-256; empty where none is given yet."""
