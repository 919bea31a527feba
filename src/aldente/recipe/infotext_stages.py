"""How stages and controls stand in an infotext: A1111's keys where it has them, our labels where it has none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aldente.recipe.parameters import parameters, spelling_of, text_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter
from aldente.recipe.stages import Control, Redraw, Refine, Resize

DENOISING = "Denoising strength"
"""A1111's one key for two things of ours: the strength of the first pass from a picture, or of hires fix."""

HIRES_DENOISING = "Hires denoising"
"""Our key for the second where both are there."""

_HIRES = {
    "upscale_by": "Hires upscale",
    "upscaler": "Hires upscaler",
    "upscale_width": "Hires width",
    "upscale_height": "Hires height",
}
_POST = {
    "upscale_by": "Postprocess upscale by",
    "upscaler": "Postprocess upscaler",
    "upscale_width": "Postprocess width",
    "upscale_height": "Postprocess height",
}
_KEYS = {
    "seed_width": "Seed resize from width",
    "seed_height": "Seed resize from height",
    "image": "Init image",
    "fit": "Resize mode",
    "hires_schedule": "Hires schedule type",
    "hires_cfg": "Hires CFG Scale",
    "hires_negative": "Hires negative prompt",
}
"""Keys that are not our labels."""

_ALWAYS = frozenset(
    {"image", "extend_left", "denoise", "upscaler", "hires_denoise", "tile_denoise", "denoise_rule", "hires_rule"}
)
"""What is written of each stage even at its default, so that the stage is known to be there."""

_A1111_HIRES = {"hires_denoise": "0.7", "hires_rule": "a1111_exact"}
"""What A1111 does where its infotext is silent."""

_CONTROL = {
    "Module": "preprocessor",
    "Model": "type",
    "Weight": "weight",
    "Resize Mode": "fit",
    "Guidance Start": "start",
    "Guidance End": "end",
    "Control Mode": "mode",
    "Picture": "image",
}
_CONTROL_KEY = re.compile(r"ControlNet (\d{1,2})")


def stage_fields(recipe: Recipe) -> dict[str, str]:
    """What the stages and controls say, as texts under their keys."""
    fields = {}
    names = _names_in(recipe)
    for parameter in parameters():
        if parameter.name not in names:
            continue
        value = get_parameter(recipe, parameter.name)
        if value is not None and (value != parameter.default or parameter.name in _ALWAYS):
            fields[names[parameter.name]] = str(value) if isinstance(value, bool) else text_of(value)
    for number, control in enumerate(recipe.controls or ()):
        said = {key: _said(control, name) for key, name in _CONTROL.items() if getattr(control, name) is not None}
        fields[f"ControlNet {number}"] = ", ".join(f"{key}: {value}" for key, value in said.items())
    return fields


def stage_settings(fields: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The key, our name and the text of every field that is about a stage; those that create a stage first."""
    hires = any(spelling_of(key).startswith("hires") for key in fields)
    if hires:
        yield from (("", name, value) for name, value in _A1111_HIRES.items())
    elif DENOISING in fields:
        yield "", "denoise_rule", "a1111"
    for key, value in fields.items():
        if key == DENOISING:
            yield key, "hires_denoise" if hires and HIRES_DENOISING not in fields else "denoise", value
        elif (name := _OURS.get(spelling_of(key))) is not None and (name, value) != ("hires_steps", "0"):
            yield key, name, value
        elif spelling_of(key) in ("hiresresize", "postprocessupscaleto") and (sides := re.fullmatch(r"(\d+)x(\d+)", value)):
            yield key, "upscale_width", sides[1]
            yield key, "upscale_height", sides[2]
        elif key == "Seed resize from" and (sides := re.fullmatch(r"(-?\d+)x(-?\d+)", value)):
            yield key, "seed_width", sides[1]
            yield key, "seed_height", sides[2]


def controls_in(fields: Mapping[str, str]) -> dict[str, Control]:
    """The controls that fields describe, by key, as far as they name a picture of ours."""
    found = {}
    for key, value in fields.items():
        if not _CONTROL_KEY.fullmatch(key):
            continue
        said = dict(part.split(": ", 1) for part in value.split(", ") if ": " in part)
        facts = {name: said[theirs] for theirs, name in _CONTROL.items() if theirs in said}
        try:
            found[key] = Control.model_validate(facts)
        except ValueError:
            continue
    return found


def _names_in(recipe: Recipe) -> dict[str, str]:
    """The parameters of the recipe's stages and the key of each."""
    kinds = {stage.kind for stage in recipe.stages}
    refines, redraws = (any(isinstance(stage, kind) for stage in recipe.stages) for kind in (Refine, Redraw))
    keys = _KEYS | (_HIRES if refines else _POST)
    keys["denoise"] = DENOISING
    keys["hires_denoise"] = HIRES_DENOISING if redraws or not _resizes(recipe) else DENOISING
    names = {p.name: keys.get(p.name, p.label) for p in parameters() if p.stage in kinds}
    starts = {"seed_width", "seed_height"}
    return names | {name: keys[name] for name in starts}


def _resizes(recipe: Recipe) -> bool:
    return any(isinstance(stage, Resize) for stage in recipe.stages)


def _said(control: Control, name: str) -> str:
    value = getattr(control, name)
    return text_of(value) if isinstance(value, float) else str(value)


def _ours() -> dict[str, str]:
    staged = {p.label: p.name for p in parameters() if p.stage is not None}
    theirs = {key: name for table in (_HIRES, _POST, _KEYS) for name, key in table.items()}
    return {spelling_of(key): name for key, name in (staged | theirs).items()}


_OURS = _ours()
