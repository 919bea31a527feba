"""Pictures that the structure of a drawing follows."""

from __future__ import annotations

from typing import Literal

from aldente.recipe.field import parameter
from aldente.recipe.stages.pictures import FILE, Fit
from aldente.recipe.value import Value


class Control(Value):
    """A picture that the structure of the drawing follows, from a share of the steps to another."""

    image: str = parameter(
        "",
        name="control_image",
        aliases=("controlnet_image",),
        label="Control picture",
        choices="file",
        pattern=FILE,
        help="The picture that the structure follows, or that is drawn like: a file.",
    )
    type: str = parameter(
        "canny",
        name="control_type",
        aliases=("controlnet_model",),
        label="Control type",
        help="What the model takes the picture for: canny, scribble, silhouette, or the name of a control network or adapter.",
    )
    preprocessor: str = parameter(
        "none",
        name="control_preprocessor",
        aliases=("controlnet_module",),
        label="Control preprocessor",
        help="What makes the control picture from the given one: one that comes along, or the folder of a depth network;"
        " none if it is one already.",
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
    mode: Literal["balanced", "prompt", "control"] | None = parameter(
        None,
        name="control_mode",
        aliases=("controlnet_mode",),
        label="Control mode",
        help="Whether it steers prompt and negative prompt alike (balanced), so too but less in what is fine (prompt), or the"
        " prompt alone, which CFG then strengthens (control); unset is what suits the model.",
    )
    fit: Fit = parameter("stretch", name="control_fit", label="Control fit", help="How the control picture comes to the size.")
