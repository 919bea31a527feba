"""Sampling a picture again in tiles."""

from __future__ import annotations

from typing import Literal

from aldente.recipe.field import parameter
from aldente.recipe.stages.passes import Pass


class Tiles(Pass):
    """The picture drawn again in tiles of the model's own size: any size in the memory of one tile.

    ``blend`` denoises all tiles jointly, overlapping [Bar-Tal 2023]; ``linear`` and ``chess`` redraw one after the other and
    paste, as Ultimate SD Upscale does, with its seam fixes.
    """

    kind: Literal["tiles"] = "tiles"
    strength: float = parameter(
        0.35, name="tile_denoise", label="Tile denoising", ge=0.0, le=1.0, help="How much each tile is drawn anew."
    )
    steps: int | None = parameter(
        None, name="tile_steps", label="Tile steps", ge=1, le=1000, help="Steps of the tiles; unset is the first pass's."
    )
    cfg: float | None = parameter(
        None,
        name="tile_cfg",
        label="Tile CFG scale",
        ge=0.0,
        le=100.0,
        help="CFG scale of the tiles; unset is the first pass's.",
    )
    prompt: str | None = parameter(
        None, name="tile_prompt", label="Tile prompt", help="Prompt of the tiles; unset is the first pass's."
    )
    mode: Literal["blend", "linear", "chess"] = parameter(
        "blend",
        name="tile_mode",
        aliases=("redraw_mode",),
        label="Tile mode",
        help="Jointly and blended, or one after another.",
    )
    size: int | None = parameter(
        None,
        name="tile_size",
        aliases=("tile_width", "tile_height"),
        label="Tile size",
        unit="px",
        ge=16,
        le=4096,
        help="Side of a tile; unset is the model's own size.",
    )
    overlap: int | None = parameter(
        None,
        name="tile_overlap",
        aliases=("tile_padding",),
        label="Tile overlap",
        unit="px",
        ge=0,
        le=2048,
        help="By how much tiles overlap (blend) or see of their surroundings; unset is a quarter of a tile.",
    )
    mask_blur: int = parameter(
        8, name="tile_blur", label="Tile blur", unit="px", ge=0, le=256, help="How softly a pasted tile ends."
    )
    seam_fix: Literal["none", "band", "half", "half_cross"] = parameter(
        "none", name="seam_fix", aliases=("seams_fix_type",), label="Seam fix", help="What redraws the seams of pasted tiles."
    )
    seam_denoise: float = parameter(0.35, label="Seam denoising", ge=0.0, le=1.0, help="How much a seam is drawn anew.")
    seam_width: int = parameter(64, label="Seam width", unit="px", ge=8, le=1024, help="Width of a redrawn band.")
    seam_blur: int = parameter(4, label="Seam blur", unit="px", ge=0, le=256, help="How softly a redrawn seam ends.")
    seam_padding: int = parameter(16, label="Seam padding", unit="px", ge=0, le=512, help="What a redrawn seam sees around it.")
    wraps: bool = parameter(
        False,
        name="seamless",
        label="Seamless",
        help="Tiles go around the edges, so that the picture repeats without a seam.",
    )
