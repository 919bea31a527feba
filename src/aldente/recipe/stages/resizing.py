"""A picture at another size."""

from __future__ import annotations

from typing import Literal

from aldente.recipe.field import parameter
from aldente.recipe.value import Value


class Resize(Value):
    """The picture at another size."""

    kind: Literal["resize"] = "resize"
    scale: float | None = parameter(
        None,
        name="upscale_by",
        aliases=("hires_upscale", "hr_scale", "upscale", "upscaling_resize", "hires_scale"),
        label="Upscale by",
        ge=0.05,
        le=64.0,
        help="How many times larger; unset is 2 where a size is not given either.",
    )
    width: int | None = parameter(
        None,
        name="upscale_width",
        aliases=("hr_resize_x", "hires_width"),
        label="Upscale to width",
        unit="px",
        ge=8,
        le=65536,
        help="Width after upscaling.",
    )
    height: int | None = parameter(
        None,
        name="upscale_height",
        aliases=("hr_resize_y", "hires_height"),
        label="Upscale to height",
        unit="px",
        ge=8,
        le=65536,
        help="Height after upscaling.",
    )
    upscaler: str = parameter(
        "lanczos",
        aliases=("hires_upscaler", "hr_upscaler", "upscaler_1"),
        label="Upscaler",
        choices="upscaler",
        help="What enlarges the picture.",
    )
