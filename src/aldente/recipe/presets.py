"""Presets: settings kept by name, with what speaks for them, from the folklore of guides or from a study of ours."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field, ValidationError

from aldente.engine.errors import UserError, unknown
from aldente.recipe.parameters import Scalar, find_parameter, spelling_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.value import Value

Plain = bool | int | float | str
"""What a preset can say; 'unset' for nothing, since files have no word for it."""


class Preset(Value):
    """A part of a recipe under a name, and what proves it.

    ``bands`` are the ranges that the source gives where ``settings`` holds one value of each, ``alternatives`` other
    values that it allows. ``advisory`` settings suit some models only. A measured preset names its ``study`` (a digest),
    the fingerprint of the ``model``, its ``confidence`` (0 to 1), its ``cost`` per picture by unit ('calls', 'seconds'), the
    ``prompts`` that it was measured on (some of them), its ``proof`` in numbers ('loss', 'at_most', 'tolerance', 'held_out',
    in JND) and the ``versions`` of what made it ('aldente', 'runtime', 'sampler': what that answers to a fixed question).
    """

    name: str = Field(min_length=1)
    summary: str = ""
    goal: str = ""
    category: str = ""
    basis: Literal["folklore", "measured"]
    source: str = ""
    settings: dict[str, Plain] = Field(default_factory=dict)
    bands: dict[str, tuple[float, float]] = Field(default_factory=dict)
    alternatives: dict[str, tuple[Plain, ...]] = Field(default_factory=dict)
    advisory: dict[str, Plain] = Field(default_factory=dict)
    study: str | None = None
    model: str | None = None
    confidence: float | None = Field(None, ge=0, le=1)
    cost: dict[str, float] = Field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    proof: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    created: str | None = None
    stale_when: tuple[str, ...] = ()


def apply(
    preset: Preset,
    recipe: Recipe,
    explicit: Mapping[str, Scalar] | None = None,
    *,
    fits: Callable[[int, int], bool] | None = None,
) -> Recipe:
    """The recipe under a preset and, over it, the settings that the user gave; what is said in person beats the preset.

    An advisory size is taken where ``fits`` says that the model can draw that width and height.
    Raises UserError for a setting that is not allowed.
    """
    changed = set_parameters(recipe, dict(preset.settings))
    advised = set_parameters(changed, dict(preset.advisory))
    if fits is not None and fits(advised.width, advised.height):
        changed = advised
    return set_parameters(changed, explicit or {})


def find_preset(name: str, known: Mapping[str, Preset]) -> Preset:
    """The preset of that name in any spelling. Raises UserError with the nearest known name."""
    for preset in known.values():
        if spelling_of(preset.name) == spelling_of(name):
            return preset
    raise unknown("preset", name, known)


@cache
def folklore() -> Mapping[str, Preset]:
    """The bundled presets by name: what guides recommend, none of it measured by us."""
    text = files("aldente.recipe").joinpath("folklore.toml").read_text(encoding="utf-8")
    return {preset.name: preset for preset in read_presets(text)}


def read_presets(text: str) -> tuple[Preset, ...]:
    """The presets in a file: TOML with ``[[preset]]`` tables, or JSON with one preset or a list under 'preset'.

    Raises UserError that lists what is wrong: the syntax, a field, a parameter, or a value that is not allowed.
    """
    try:
        facts = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the presets cannot be read: {error}") from None
    rows = facts.get("preset", facts)
    made = tuple(preset_from(row) for row in (rows if isinstance(rows, list) else [rows]))
    names = [spelling_of(preset.name) for preset in made]
    if twice := [preset.name for preset in made if names.count(spelling_of(preset.name)) > 1]:
        raise UserError(f"preset '{twice[0]}' is there twice; give one of them another name.")
    return made


def preset_from(facts: Any) -> Preset:
    """The preset that facts from a file describe, its settings under our names. Raises UserError listing every fault."""
    try:
        preset = Preset.model_validate(facts)
    except ValidationError as error:
        rows = [f"{'.'.join(str(step) for step in e['loc']) or 'it'}: {e['msg']}" for e in error.errors()]
        raise UserError("a preset is not as it must be: " + "; ".join(rows) + ".") from None
    for settings in (preset.settings, preset.advisory, *_each(preset.alternatives)):
        set_parameters(Recipe(), dict(settings))
    spoken = {field: _our_names(getattr(preset, field)) for field in ("settings", "advisory", "bands", "alternatives")}
    return preset.model_copy(update=spoken)


def write_toml(presets: Iterable[Preset]) -> str:
    """The presets as a TOML file that ``read_presets`` reads back."""
    tables = []
    for preset in presets:
        facts = preset.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        plain = [f"{key} = {_toml(value)}" for key, value in facts.items() if not isinstance(value, dict)]
        nested = [
            f"{key}.{_toml(name)} = {_toml(v)}"
            for key, value in facts.items()
            if isinstance(value, dict)
            for name, v in value.items()
        ]
        tables.append("\n".join(["[[preset]]", *plain, *nested]))
    return "\n\n".join(tables) + "\n"


def _each(alternatives: Mapping[str, tuple[Plain, ...]]) -> list[dict[str, Plain]]:
    return [{name: value} for name, values in alternatives.items() for value in values]


def _our_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {find_parameter(name).name: value for name, value in settings.items()}


def _toml(value: Plain | list[Plain]) -> str:
    """A value as TOML writes it: JSON's form, but for the delete sign, which JSON leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
