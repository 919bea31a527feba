"""Where a picture begins: noise, or a picture that is there already, and more of it."""

from __future__ import annotations

from typing import Literal

from aldente.recipe.field import parameter
from aldente.recipe.stages.pictures import FILE, Fit
from aldente.recipe.value import Value


class _Start(Value):
    """What every first stage can vary."""

    variation_seed: int | None = parameter(
        None, aliases=("subseed", "var_seed"), label="Variation seed", ge=0, le=2**64 - 1, help="A second seed to lean towards."
    )
    variation_strength: float | None = parameter(
        None,
        aliases=("subseed_strength", "var_strength"),
        label="Variation strength",
        ge=0.0,
        le=1.0,
        help="How far the noise leans towards the variation seed.",
    )
    seed_width: int | None = parameter(
        None,
        aliases=("seed_resize_from_w",),
        label="Seed resize from width",
        unit="px",
        ge=8,
        le=16384,
        help="Width of the picture whose composition the seed keeps at this size.",
    )
    seed_height: int | None = parameter(
        None,
        aliases=("seed_resize_from_h",),
        label="Seed resize from height",
        unit="px",
        ge=8,
        le=16384,
        help="Height of the picture whose composition the seed keeps at this size.",
    )
    seamless: bool | None = parameter(
        None,
        name="tiling",
        aliases=("seamless_texture",),
        label="Tiling",
        help="Draw a picture that repeats without a seam, in tiles that go around its edges.",
    )


class Base(_Start):
    """A picture from noise."""

    kind: Literal["base"] = "base"


class Source(_Start):
    """A picture that is there already, brought to the recipe's size."""

    kind: Literal["source"] = "source"
    image: str = parameter(
        "",
        name="image",
        aliases=("init_image", "init_images", "input_image"),
        label="Source picture",
        choices="file",
        pattern=FILE,
        help="The picture to start from: a file.",
    )
    fit: Fit = parameter(
        "stretch",
        aliases=("resize_mode",),
        label="Fit",
        help="How the picture comes to the size: stretch, crop, or fill what is missing.",
    )


class Extend(Value):
    """More picture on any side, for the next pass to draw: outpainting."""

    kind: Literal["extend"] = "extend"
    left: int = parameter(
        0, name="extend_left", label="Extend left", unit="px", ge=0, le=8192, help="More picture on the left."
    )
    right: int = parameter(0, name="extend_right", label="Extend right", unit="px", ge=0, le=8192, help="More on the right.")
    top: int = parameter(
        0, name="extend_top", aliases=("extend_up",), label="Extend top", unit="px", ge=0, le=8192, help="More above."
    )
    bottom: int = parameter(
        0, name="extend_bottom", aliases=("extend_down",), label="Extend bottom", unit="px", ge=0, le=8192, help="More below."
    )
    blur: int = parameter(
        8, name="extend_blur", label="Extend blur", unit="px", ge=0, le=256, help="How softly old and new picture meet."
    )
