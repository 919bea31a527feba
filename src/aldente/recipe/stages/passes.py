"""Sampling a picture again: img2img, inpainting, the second pass of hires fix."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aldente.recipe.field import parameter
from aldente.recipe.stages.pictures import FILE
from aldente.recipe.value import Value

Rule = Literal["sigma", "a1111", "a1111_exact", "comfyui", "diffusers"]
"""How a strength chooses the steps: ours, or as another program does."""

Content = Literal["fill", "original", "latent_noise", "latent_nothing"]
"""What lies under a mask at the start."""


class Pass(Value):
    """Sampling again from a strength; what is unset is the recipe's."""

    rule: Rule = "sigma"
    steps: int | None = Field(None, ge=1, le=1000)
    sampler: str | None = None
    schedule: str | None = None
    cfg: float | None = Field(None, ge=0.0, le=100.0)
    prompt: str | None = None
    negative: str | None = None


class Redraw(Pass):
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


class Refine(Pass):
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
