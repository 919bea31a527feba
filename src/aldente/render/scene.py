"""What the stages of a recipe hand on, and what they need from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.models.port import Image, Model
from aldente.models.upscaling.port import Upscaler
from aldente.recipe.recipe import Recipe
from aldente.render.metering import Meter
from aldente.render.tile_codec import decoded
from aldente.store.checkpoints import Part

Mask = NDArray[np.uint8]
"""``h w``: 255 where a picture is to be drawn anew, 0 where it is kept."""


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """What a stage leaves to the next: a picture, as pixels or as the latent that it was drawn in, and what is to be filled.

    At least one of ``pixels`` (uint8, h w 3) and ``latent`` (1 c h w) is there; where both are, they are of one picture.
    One that ``wraps`` repeats without a seam: whatever looks at it sees around its edges.
    """

    pixels: Image | None = None
    latent: Latent | None = None
    mask: Mask | None = None
    wraps: bool = False

    def picture(self, model: Model) -> Image:
        """The pixels, decoded if need be."""
        if self.pixels is not None:
            return self.pixels
        return decoded(self.latent, model, model.info.size_max, wraps=True) if self.wraps else model.decode(self.latent)[0]


class Checkpoints(Protocol):
    """Where a long stage keeps what it has finished, so that a run that was killed goes on from there.

    A ``run`` is a stage of a recipe under a model, a ``part`` what the model was asked, both as digests: what is kept is
    right whenever it is found, and what is lost is only made again.
    """

    def get(self, run: str, part: str) -> Part | None:
        """What was kept, and what it cost, or None."""
        ...

    def put(self, run: str, part: str, kept: Part) -> None:
        """Keep a part, wholly or not at all."""
        ...

    def drop(self, run: str) -> None:
        """Forget what a run has kept; it is finished."""
        ...


class TileNote(NamedTuple):
    """How far stage ``stage`` is: ``done`` of ``total`` tiles, in its ``turn``-th passage over the picture (from 0).

    ``turns`` are the passages in all, None where the sampler chooses their number as it goes.
    """

    stage: int
    turn: int
    done: int
    total: int
    turns: int | None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A recipe and what draws it: its model, the files that it names by hash, and the upscalers that it names.

    ``checkpoints`` keep what long stages have finished, and ``note`` is told of their tiles; without them nothing is kept
    and nobody told. ``meter`` counts what each stage costs, with what earlier runs spent on parts that are taken up.
    """

    recipe: Recipe
    model: Model
    files: Callable[[str], Image]
    upscaler: Callable[[str], Upscaler]
    checkpoints: Checkpoints | None = None
    note: Callable[[TileNote], None] | None = None
    meter: Meter | None = None
