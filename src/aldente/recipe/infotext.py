"""The text that pictures carry about themselves, as A1111 writes and reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress

from pydantic import Field

from aldente.engine.errors import UserError
from aldente.recipe.infotext_stages import controls_in, stage_fields, stage_settings
from aldente.recipe.names import title_of
from aldente.recipe.parameters import Scalar, find_parameter, spelling_of, text_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameter
from aldente.recipe.value import Value

_LEADING = {
    "Steps": "steps",
    "Sampler": "sampler",
    "Schedule type": "schedule",
    "CFG scale": "cfg",
    "Seed": "seed",
    "Size": "size",
}
_MODEL = {"Model": "model"}
_REST = {
    "Variation seed": "variation_seed",
    "Variation seed strength": "variation_strength",
    "Clip skip": "clip_skip",
    "RNG": "rng",
    "Tiling": "tiling",
    "Eta": "eta",
    "Sigma churn": "s_churn",
    "Sigma tmin": "s_tmin",
    "Sigma tmax": "s_tmax",
    "Sigma noise": "s_noise",
    "Schedule rho": "rho",
    "Schedule min sigma": "sigma_min",
    "Schedule max sigma": "sigma_max",
    "Sigmas": "sigmas",
    "Tolerance": "rtol",
    "Reuse threshold": "reuse_threshold",
    "Reuse from": "reuse_start",
    "Reuse to": "reuse_end",
    "Shift": "shift",
    "Discard penultimate sigma": "discard_next_to_last",
    "CFG rescale": "cfg_rescale",
    "Guidance from": "guidance_low",
    "Guidance to": "guidance_high",
    "APG parallel part": "apg",
    "Dynamic threshold": "dynamic_threshold",
    "Distilled CFG Scale": "distilled_guidance",
    "Emphasis": "emphasis",
    "Token merging ratio": "token_merging_ratio",
}
_PARAMETERS = {spelling_of(key): name for key, name in (_LEADING | _MODEL | _REST).items()}
_NO_PARAMETER = frozenset({"modelhash", "version"})

_NEGATIVE = "Negative prompt:"
_PAIR = re.compile(r'(?<![\w \-/])[ \-/]*+(\w[\w \-/]++):\s*+("(?:\\.|[^\\"])++"(?=,|$)|[^,]*+)(?:,|$)')
_FEWEST_PAIRS = 3


class Infotext(Value):
    """What a picture's text says: the prompt, the negative prompt, and every other field under its key, as text."""

    prompt: str = ""
    negative: str = ""
    fields: dict[str, str] = Field(default_factory=dict)


def to_infotext(recipe: Recipe, *, model_hash: str, version: str, extras: Mapping[str, Scalar] | None = None) -> str:
    """The recipe as A1111 writes it; ``model_hash`` is cut to ten digits, ``extras`` come before the version.

    A line of the prompt that begins with 'Negative prompt:' is read back as the negative prompt: the format has no escape.
    """
    fields: dict[str, str | None] = {key: _field(recipe, name) for key, name in _LEADING.items()}
    fields["Model hash"] = model_hash[:10]
    fields |= {key: _field(recipe, name) for key, name in (_MODEL | _REST).items()}
    if recipe.clip_skip == 1:
        fields["Clip skip"] = None
    fields |= stage_fields(recipe)
    fields |= {key: None if value is None else _plain(value) for key, value in (extras or {}).items()}
    fields["Version"] = version
    written = ", ".join(_written(key, value) for key, value in fields.items() if value is not None)
    lines = [recipe.prompt] if recipe.prompt else []
    lines += [f"{_NEGATIVE} {recipe.negative}"] if recipe.negative else []
    return "\n".join([*lines, written])


def parse_infotext(text: str) -> Infotext:
    """What any program's infotext says; a text without a line of parameters is all prompt."""
    lines = text.rstrip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    pairs = _PAIR.findall(lines[-1])
    fields = {}
    if len(pairs) >= _FEWEST_PAIRS:
        fields = {key: _read(value) for key, value in pairs}
        lines.pop()
    start = next((i for i, line in enumerate(lines) if line.lstrip().startswith(_NEGATIVE)), len(lines))
    negative = lines[start:]
    if negative:
        negative[0] = negative[0].lstrip().removeprefix(_NEGATIVE).removeprefix(" ")
    return Infotext(prompt="\n".join(lines[:start]), negative="\n".join(negative), fields=fields)


def recipe_from_infotext(text: str) -> tuple[Recipe, dict[str, str]]:
    """The recipe that an infotext describes, and the fields that no parameter of ours can hold, under their own keys.

    What the text leaves out is what A1111 means by it: no schedule is the model's own timesteps, no RNG is the GPU's.
    """
    said = parse_infotext(text)
    recipe = Recipe(prompt=said.prompt, negative=said.negative)
    if "Sampler" in said.fields:
        recipe = set_parameter(recipe, "schedule", "uniform")
    if "Seed" in said.fields:
        recipe = set_parameter(recipe, "rng", "nv")
    plain = (
        (key, _PARAMETERS[spelling_of(key)], value) for key, value in said.fields.items() if spelling_of(key) in _PARAMETERS
    )
    understood: set[str] = set()
    for key, name, value in (*plain, *stage_settings(said.fields)):
        with suppress(UserError):
            recipe = set_parameter(recipe, name, _ours(name, value))
            understood.add(key)
    if controls := controls_in(said.fields):
        recipe = recipe.model_copy(update={"controls": tuple(controls.values())})
        understood |= controls.keys()
    unmapped = {key: v for key, v in said.fields.items() if key not in understood and spelling_of(key) not in _NO_PARAMETER}
    return recipe, unmapped


def _field(recipe: Recipe, name: str) -> str | None:
    value = get_parameter(recipe, name)
    return None if value is None else _plain(title_of(find_parameter(name).choices, value) if isinstance(value, str) else value)


def _plain(value: Scalar) -> str:
    return str(value) if isinstance(value, bool) else text_of(value)


def _written(key: str, value: str) -> str:
    """One field; a value is quoted where its signs would break the line, and left out where it repeats its key."""
    if key == value:
        return key
    quoted = re.search(r'[,\n\r:]|^"', value) is not None or value != value.strip()
    return f"{key}: {json.dumps(value, ensure_ascii=False) if quoted else value}"


def _read(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _ours(name: str, value: str) -> str:
    return "nv" if name == "rng" and value == "GPU" else value
