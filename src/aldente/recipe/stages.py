"""The stages of a recipe: where a picture begins, and what is done to it one after the other.

img2img is ``Source, Redraw``; inpainting the same with a mask; outpainting ``Source, Extend, Redraw``; hires fix ``Base,
Resize, Refine``; tiled upscaling ``Base, Resize, Tiles``. A recipe up to any of its stages is a recipe, and its digest the
key under which what it gives is kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aldente.recipe.field import parameter
from aldente.recipe.value import Value

Fit = Literal["stretch", "crop", "fill"]
"""How a picture is brought to a size: A1111's just resize, crop and resize, resize and fill."""

Rule = Literal["sigma", "a1111", "a1111_exact", "comfyui", "diffusers"]
"""How a strength chooses the steps: ours, or as another program does."""

Content = Literal["fill", "original", "latent_noise", "latent_nothing"]

FILE = r"^(?:[0-9a-f]{64})?$"
"""A file of the store by its SHA-256; empty where none is given yet."""


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


class _Pass(Value):
    """Sampling again from a strength; what is unset is the recipe's."""

    rule: Rule = "sigma"
    steps: int | None = Field(None, ge=1, le=1000)
    sampler: str | None = None
    schedule: str | None = None
    cfg: float | None = Field(None, ge=0.0, le=100.0)
    prompt: str | None = None
    negative: str | None = None


class Redraw(_Pass):
    """The picture drawn again from a strength, everywhere or under a mask: img2img and inpainting."""

    kind: Literal["redraw"] = "redraw"
    strength: float = parameter(
        0.75,
        name="denoise",
        aliases=("denoising_strength", "denoising", "strength", "img2img_strength"),
        label="Denoising strength",
        ge=0.0,
        le=1.0,
        help="How much of the picture is drawn anew.",
    )
    rule: Rule = parameter(
        "sigma",
        name="denoise_rule",
        label="Denoising rule",
        help="How the strength chooses steps: the noise level itself, or as another program counts.",
    )
    mask: str = parameter(
        "",
        name="mask",
        aliases=("mask_image", "inpaint_mask"),
        label="Mask",
        choices="file",
        pattern=FILE,
        help="What to draw anew is white in this picture: a file.",
    )
    mask_invert: bool = parameter(
        False,
        aliases=("inpainting_mask_invert", "mask_mode"),
        label="Invert mask",
        help="Draw anew what is black instead.",
    )
    mask_blur: int = parameter(4, label="Mask blur", unit="px", ge=0, le=256, help="How softly the mask ends.")
    content: Content = parameter(
        "original",
        name="masked_content",
        aliases=("inpainting_fill", "inpaint_content"),
        label="Masked content",
        help="What lies under the mask at the start.",
    )
    area: Literal["whole", "only_masked"] = parameter(
        "whole",
        name="inpaint_area",
        aliases=("inpaint_full_res",),
        label="Inpaint area",
        help="Draw the whole picture, or only what is around the mask at full size.",
    )
    padding: int = parameter(
        32,
        name="mask_padding",
        aliases=("inpaint_full_res_padding", "masked_area_padding", "only_masked_padding"),
        label="Masked area padding",
        unit="px",
        ge=0,
        le=1024,
        help="How much around the mask is seen when only the masked area is drawn.",
    )
    method: Literal["auto", "model", "latent"] = parameter(
        "auto",
        name="inpaint_method",
        label="Inpaint method",
        help="What fills a mask: the model's own training for it, or its latent put back at every step.",
    )


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


class Refine(_Pass):
    """The picture drawn again from a strength with sampling of its own: the second pass of hires fix."""

    kind: Literal["refine"] = "refine"
    rule: Rule = parameter(
        "sigma",
        name="hires_rule",
        label="Hires rule",
        help="How the second pass's strength chooses steps: the noise level itself, or as another program counts.",
    )
    strength: float = parameter(
        0.5,
        name="hires_denoise",
        aliases=("hr_denoise", "refine_strength"),
        label="Hires denoising",
        ge=0.0,
        le=1.0,
        help="How much the second pass draws anew.",
    )
    steps: int | None = parameter(
        None,
        name="hires_steps",
        aliases=("hr_second_pass_steps",),
        label="Hires steps",
        ge=1,
        le=1000,
        help="Steps of the second pass; unset is the first one's.",
    )
    sampler: str | None = parameter(
        None,
        name="hires_sampler",
        aliases=("hr_sampler_name",),
        label="Hires sampler",
        choices="sampler",
        help="Sampler of the second pass; unset is the first one's.",
    )
    schedule: str | None = parameter(
        None,
        name="hires_schedule",
        aliases=("hr_scheduler", "hires_schedule_type"),
        label="Hires schedule",
        choices="schedule",
        help="Schedule of the second pass; unset is the first one's.",
    )
    cfg: float | None = parameter(
        None,
        name="hires_cfg",
        aliases=("hr_cfg", "hires_cfg_scale"),
        label="Hires CFG scale",
        ge=0.0,
        le=100.0,
        help="CFG scale of the second pass; unset is the first one's.",
    )
    prompt: str | None = parameter(
        None,
        name="hires_prompt",
        aliases=("hr_prompt",),
        label="Hires prompt",
        help="Prompt of the second pass; unset is the first one's.",
    )
    negative: str | None = parameter(
        None,
        name="hires_negative",
        aliases=("hr_negative_prompt", "hires_negative_prompt"),
        label="Hires negative prompt",
        help="Negative prompt of the second pass; unset is the first one's.",
    )


class Tiles(_Pass):
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


class Control(Value):
    """A picture that the structure of the drawing follows, from a share of the steps to another."""

    image: str = parameter(
        "",
        name="control_image",
        aliases=("controlnet_image",),
        label="Control picture",
        choices="file",
        pattern=FILE,
        help="The picture that the structure follows: a file.",
    )
    type: str = parameter(
        "canny",
        name="control_type",
        aliases=("controlnet_model",),
        label="Control type",
        help="What the model takes the picture for: canny, scribble, silhouette...",
    )
    preprocessor: str = parameter(
        "none",
        name="control_preprocessor",
        aliases=("controlnet_module",),
        label="Control preprocessor",
        help="What makes the control picture from the given one; none if it is one already.",
    )
    weight: float = parameter(
        1.0,
        name="control_weight",
        aliases=("controlnet_conditioning_scale", "controlnet_weight"),
        label="Control weight",
        ge=0.0,
        le=2.0,
        help="How strongly the structure holds; 0 is off.",
    )
    start: float = parameter(
        0.0,
        name="control_start",
        aliases=("control_guidance_start",),
        label="Control start",
        ge=0.0,
        le=1.0,
        help="From which share of the steps.",
    )
    end: float = parameter(
        1.0,
        name="control_end",
        aliases=("control_guidance_end",),
        label="Control end",
        ge=0.0,
        le=1.0,
        help="Up to which share of the steps.",
    )
    mode: Literal["balanced", "control"] | None = parameter(
        None,
        name="control_mode",
        aliases=("controlnet_mode",),
        label="Control mode",
        help="Whether it steers prompt and negative prompt alike (balanced) or the prompt alone, which CFG then strengthens;"
        " unset is what suits the model.",
    )
    fit: Fit = parameter("stretch", name="control_fit", label="Control fit", help="How the control picture comes to the size.")


Stage = Annotated[Base | Source | Extend | Redraw | Resize | Refine | Tiles, Field(discriminator="kind")]

ORDER: tuple[type[Value], ...] = (Base, Source, Extend, Redraw, Resize, Refine, Tiles)
"""Every stage, in the order in which setting their parameters puts them into a recipe."""
