"""What the stages of a recipe hand on, and what they need from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.models.port import Image, Model
from aldente.models.upscaling.port import Upscaler
from aldente.recipe.recipe import Recipe

Mask = NDArray[np.uint8]
"""``h w``: 255 where a picture is to be drawn anew, 0 where it is kept."""


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """What a stage leaves to the next: a picture, as pixels or as the latent that it was drawn in, and what is to be filled.

    At least one of ``pixels`` (uint8, h w 3) and ``latent`` (1 c h w) is there; where both are, they are of one picture.
    """

    pixels: Image | None = None
    latent: Latent | None = None
    mask: Mask | None = None

    def picture(self, model: Model) -> Image:
        """The pixels, decoded if need be."""
        return self.pixels if self.pixels is not None else model.decode(self.latent)[0]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A recipe and what draws it: its model, the files that it names by hash, and the upscalers that it names."""

    recipe: Recipe
    model: Model
    files: Callable[[str], Image]
    upscaler: Callable[[str], Upscaler]
