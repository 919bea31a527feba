"""What steers a checkpoint beside the prompt: control pictures, and pictures with a hole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.port import Image

INPAINTING = "inpainting"

Hints = tuple[tuple["Hint", float], ...]
"""Hints with their weights, in an order that does not depend on how they were given."""


@dataclass(frozen=True, kw_only=True)
class Hint:
    """The handle of a picture that steers; equal ones, told by ``digest``, have equal ``pixels``.

    ``kind`` names the control network, or is ``INPAINTING``; ``soft`` says that it acts less on what is fine. ``pixels`` are
    h w 3 for a control picture, and h w 4 for one with a hole: nothing in the hole, which the last plane shows.
    """

    kind: str
    digest: str
    soft: bool = False
    pixels: NDArray[np.uint8] = field(repr=False, compare=False)


def control_hint(kind: str, image: Image) -> Hint:
    """The hint of a control picture (uint8, h w 3)."""
    return _told(kind, np.asarray(image))


def inpainting_hint(image: Image, mask: Image) -> Hint:
    """The hint of a picture (uint8, h w 3) to be filled where ``mask`` (uint8, h w) is over 127."""
    pixels, hole = np.asarray(image), np.asarray(mask) > 127
    if hole.shape != pixels.shape[:2]:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (hole.shape, pixels.shape)]
        raise UserError(f"the mask is {sizes[0]} pixels and the picture {sizes[1]}: give a mask of the picture's size.")
    seen = np.where(hole[..., None], np.uint8(0), pixels)
    return _told(INPAINTING, np.concatenate([seen, np.uint8(255) * hole[..., None]], axis=2, dtype=np.uint8))


def together(own: Hints, added: Sequence[tuple[Hint, float]]) -> Hints:
    """The hints with others beside them; those of weight 0 are left out."""
    every = (*own, *((hint, float(weight)) for hint, weight in added if weight != 0.0))
    return tuple(sorted(every, key=lambda pair: (pair[0].kind, pair[0].digest, pair[0].soft, pair[1])))


def planes_of(pixels: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """The pixels (h w c) as 1 c ``height`` ``width`` from 0 to 1, brought to that size by Lanczos where they are of another."""
    if pixels.shape[:2] != (height, width):
        bands = [Pillow.fromarray(pixels[..., band]) for band in range(pixels.shape[2])]
        sized = [np.asarray(band.resize((width, height), Pillow.Resampling.LANCZOS)) for band in bands]
        pixels = np.stack(sized, axis=-1)
    return torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32) / 255.0


def _told(kind: str, pixels: NDArray[np.uint8]) -> Hint:
    kept = np.array(pixels, np.uint8, order="C")
    kept.flags.writeable = False
    digest = hashlib.sha256(f"{kind} {kept.shape}\0".encode() + kept.tobytes()).hexdigest()
    return Hint(kind=kind, digest=digest, pixels=kept)
