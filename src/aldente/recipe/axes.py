"""Axes of a grid: a parameter and the values it takes, several in step, search and replace, orders of words, presets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from math import factorial, inf
from typing import Annotated, Literal

from pydantic import Field

from aldente.engine.errors import UserError, unknown
from aldente.recipe.names import combined_title, title_of
from aldente.recipe.parameters import NUMBER, Parameter, Scalar, fault, find_parameter, spelling_of, text_of
from aldente.recipe.ranges import LONGEST_RANGE, expand_numbers, split_outside, split_values
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameter
from aldente.recipe.value import Value

Draw = Callable[[], int]
Presets = Mapping[str, Mapping[str, Scalar]]
TextField = Literal["prompt", "negative"]

_SEARCH: dict[str, TextField] = {
    "promptsr": "prompt",
    "sr": "prompt",
    "searchreplace": "prompt",
    "negativesr": "negative",
    "negativepromptsr": "negative",
}
_ORDER: dict[str, TextField] = {"promptorder": "prompt", "negativeorder": "negative", "negativepromptorder": "negative"}
_PRESET = frozenset({"preset", "presets"})


class Setting(Value):
    """One parameter set to one value."""

    name: str
    value: Scalar = None


class Replace(Value):
    """Every ``needle`` in a text becomes ``text``."""

    kind: Literal["replace"] = "replace"
    field: TextField
    needle: str
    text: str


class Reorder(Value):
    """These words change places until they stand in this order; the rest of the text stays."""

    kind: Literal["reorder"] = "reorder"
    field: TextField
    words: tuple[str, ...]


class Point(Value):
    """One place on an axis: what is set there, what is edited there, and its label."""

    label: str
    settings: tuple[Setting, ...] = ()
    edits: tuple[Annotated[Replace | Reorder, Field(discriminator="kind")], ...] = ()


class Axis(Value):
    """What varies along one side of a grid.

    ``parameter`` is the parameter's name, 'prompt s/r', 'prompt order' or 'preset'; several in step are joined by ' & '.
    """

    parameter: str
    label: str
    points: tuple[Point, ...] = Field(min_length=1)

    @property
    def values(self) -> tuple[Scalar, ...]:
        """What the parameter is at each point; the label where a point is no single setting."""
        return tuple(p.settings[0].value if len(p.settings) == 1 and not p.edits else p.label for p in self.points)

    @property
    def labels(self) -> tuple[str, ...]:
        """What is written beside each row, column or sheet."""
        return tuple(point.label for point in self.points)


def parse_axis(text: str, *, draw: Draw | None = None, presets: Presets | None = None) -> Axis:
    """The axis that 'cfg=5,7,9' or 'cfg=5,7 & steps=15,25' describes.

    ``draw`` gives each 'random' (or -1) seed its number, ``presets`` are the settings that 'preset=draft' refers to.
    Raises UserError for an unknown parameter, a value that is not allowed, and lists of unequal length in step.
    """
    axes = [_one_axis(piece, draw, presets or {}) for piece in _in_step(text)]
    return zip_axes(axes) if len(axes) > 1 else axes[0]


def axis_of(name: str, values: Iterable[Scalar], *, draw: Draw | None = None) -> Axis:
    """The axis of one parameter over these values, each checked. Raises UserError for a value that is not allowed."""
    parameter = find_parameter(name)
    points = [_point(parameter, value, name, draw) for value in values]
    if not points:
        raise UserError(f"axis '{name}' has no values; write {parameter.name}=a,b,c.")
    return Axis(parameter=parameter.name, label=parameter.label, points=tuple(points))


def zip_axes(axes: Sequence[Axis]) -> Axis:
    """One axis along which all of these go in step. Raises UserError when they are not equally long."""
    lengths = {len(axis.points) for axis in axes}
    if len(lengths) > 1:
        counts = ", ".join(f"{axis.parameter} has {len(axis.points)}" for axis in axes)
        raise UserError(f"axes in step need equally many values: {counts}.")
    rows = zip(*(axis.points for axis in axes), strict=True)
    points = tuple(
        Point(
            label=", ".join(point.label for point in row),
            settings=tuple(setting for point in row for setting in point.settings),
            edits=tuple(edit for point in row for edit in point.edits),
        )
        for row in rows
    )
    return Axis(parameter=" & ".join(a.parameter for a in axes), label=" & ".join(a.label for a in axes), points=points)


def _in_step(text: str) -> list[str]:
    """The text cut at each ``&`` that begins another 'name=': 'salt & pepper' in a prompt stays whole."""
    pieces: list[str] = []
    for piece in split_outside(text, "&"):
        name, equals, _ = piece.partition("=")
        if pieces and not (equals and _is_axis(name)):
            pieces[-1] += f"&{piece}"
        else:
            pieces.append(piece)
    return pieces


def _is_axis(name: str) -> bool:
    spelling = spelling_of(name)
    if spelling in {*_SEARCH, *_ORDER, *_PRESET}:
        return True
    try:
        find_parameter(name)
    except UserError:
        return False
    return True


def _one_axis(text: str, draw: Draw | None, presets: Presets) -> Axis:
    name, equals, values = text.partition("=")
    name = name.strip()
    if not equals:
        raise UserError(f"axis {text.strip()!r} names no values; write parameter=value,value, such as cfg=5,7,9.")
    items = split_values(values)
    spelling = spelling_of(name)
    if spelling in _SEARCH:
        return _search_axis(_SEARCH[spelling], items)
    if spelling in _ORDER:
        return _order_axis(_ORDER[spelling], items)
    if spelling in _PRESET:
        return _preset_axis(items, presets)
    return axis_of(name, _read(find_parameter(name), name, items), draw=draw)


def _read(parameter: Parameter, name: str, items: Sequence[str]) -> list[Scalar]:
    if parameter.kind not in ("whole number", "number"):
        return [item for item in items if item or (parameter.kind == "text" and parameter.choices is None)]
    whole = parameter.kind == "whole number"
    numbers = expand_numbers([item for item in items if item], whole=whole)
    return [n if isinstance(n, str) else _number(parameter, name, n, whole) for n in numbers]


def _number(parameter: Parameter, name: str, number: Fraction, whole: bool) -> int | float:
    if not whole:
        return _float(number)
    if number.denominator != 1:
        raise fault(parameter, _float(number), called=name)
    return int(number)


def _float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def _point(parameter: Parameter, value: Scalar, called: str, draw: Draw | None) -> Point:
    if parameter.name == "seed" and str(value).strip().lower() in ("random", "-1"):
        if draw is None:
            raise UserError("a random seed needs something to draw it from; give the seed a number here.")
        value = draw()
    changed = set_parameter(Recipe(), called, value)
    if parameter.choices == "sampler":
        named = combined_title(str(value))
        return Point(label=named, settings=(Setting(name=parameter.name, value=_sampler_value(str(value), changed)),))
    stored = get_parameter(changed, parameter.name)
    label = title_of(parameter.choices, stored) if isinstance(stored, str) else text_of(stored)
    return Point(label=label, settings=(Setting(name=parameter.name, value=stored),))


def _sampler_value(value: str, changed: Recipe) -> str:
    """Our own name for a sampler alone; the title for a sampler and a schedule together."""
    alone = combined_title(changed.sampling.sampler)
    return changed.sampling.sampler if combined_title(value) == alone else combined_title(value)


def _search_axis(field: TextField, items: Sequence[str]) -> Axis:
    if not items or not items[0]:
        raise UserError(f"'{field} s/r' needs the words to look for as its first value: {field} s/r=red,green,blue.")
    texts = [n if isinstance(n, str) else text_of(_float(n)) for n in _replacements(items)]
    points = tuple(Point(label=text, edits=(Replace(field=field, needle=items[0], text=text),)) for text in texts)
    return Axis(parameter=f"{field} s/r", label=f"{field.capitalize()} S/R", points=points)


def _replacements(items: Sequence[str]) -> list[Fraction | str]:
    """What stands for the needle: where that is a number, such as a weight, ranges of numbers may follow it."""
    if not re.fullmatch(NUMBER, items[0], re.ASCII):
        return list(items)
    return [items[0], *expand_numbers(items[1:], whole=False)]


def _order_axis(field: TextField, items: Sequence[str]) -> Axis:
    words = tuple(dict.fromkeys(item for item in items if item))
    if not words or factorial(len(words)) > LONGEST_RANGE:
        raise UserError(f"'{field} order' takes 1 to 9 different phrases of the {field}, not {len(words)}.")
    points = tuple(Point(label=", ".join(row), edits=(Reorder(field=field, words=row),)) for row in permutations(words))
    return Axis(parameter=f"{field} order", label=f"{field.capitalize()} order", points=points)


def _preset_axis(items: Sequence[str], presets: Presets) -> Axis:
    known = {spelling_of(name): name for name in presets}
    points = []
    for item in items:
        name = known.get(spelling_of(item))
        if name is None:
            raise unknown("preset", item, presets)
        settings = tuple(
            setting for key, value in presets[name].items() for setting in axis_of(key, [value]).points[0].settings
        )
        points.append(Point(label=name, settings=settings))
    return Axis(parameter="preset", label="Preset", points=tuple(points))
