"""The registry of parameters, read off the recipe's fields: names, ranges and defaults are written nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.sigmas import WHAT
from aldente.recipe.value import Value

Scalar = bool | int | float | str | None
"""What a parameter can be set to; None is unset."""

Kind = Literal["whole number", "number", "switch", "text", "choice", "size"]

NUMBER = r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?"
_KINDS: dict[type, Kind] = {int: "whole number", float: "number", bool: "switch", str: "text"}
_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
UNSET = frozenset({"unset", "none", "default"})
_SIZE = re.compile(r"\s*(\d{1,6})\s*[xX×*]\s*(\d{1,6})\s*")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One thing that users may set: where it stands in the recipe, what it is called and what it may be.

    ``choices`` names the registry that a text is chosen from, ``values`` are all that a choice may be; an ``optional``
    parameter may be unset. A parameter of a stage has its ``stage`` in the path: ``stages.redraw.mask``.
    """

    path: str
    name: str
    aliases: tuple[str, ...]
    label: str
    kind: Kind
    optional: bool
    default: Scalar
    ge: float | None
    le: float | None
    unit: str | None
    choices: str | None
    help: str
    values: tuple[str, ...] = ()

    @property
    def stage(self) -> str | None:
        """The kind of the stage that has it, or None where it is not of one kind of stage."""
        steps = self.path.split(".")
        return steps[1] if steps[0] == "stages" and not steps[1].isdecimal() else None

    @property
    def allowed(self) -> str:
        """What the value may be, in words for an error message."""
        if self.kind == "size":
            return "a width and a height in px, such as 512x768"
        if self.choices == "sigmas":
            return f"{WHAT}, or unset"
        if self.kind == "choice":
            return f"one of {', '.join(self.values)}{', or unset' if self.optional else ''}"
        if self.choices == "file":
            return "a picture's file"
        what = {"switch": "true or false", "text": "text"}.get(self.kind, f"a {self.kind}{_range(self)}")
        return f"{what}, or unset" if self.optional else what


def parameters() -> tuple[Parameter, ...]:
    """Every parameter of a recipe, in the recipe's own order, then ``size``, which sets width and height at once."""
    return _registry()


@cache
def _registry() -> tuple[Parameter, ...]:
    size = Parameter(
        path="size",
        name="size",
        aliases=("resolution", "image_size", "dimensions"),
        label="Size",
        kind="size",
        optional=False,
        default=f"{Recipe().width}x{Recipe().height}",
        ge=None,
        le=None,
        unit="px",
        choices=None,
        help="Width and height of the picture at once.",
    )
    return (*parameters_of(Recipe), size)


def parameters_of(value_type: type[Value], path: str = "") -> Iterator[Parameter]:
    """The parameters on the fields of a value and of the values inside it; of a tuple of values, those of its first.

    Where the values of a tuple are of several kinds, each kind's are found by its name: ``stages.redraw.mask``.
    """
    for name, field in value_type.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and isinstance(facts := extra.get("parameter"), dict):
            yield _parameter(path + name, name, field, facts)
            continue
        kinds = _inside(field.annotation)
        row = f"{path}{name}."
        if len(kinds) == 1:
            yield from parameters_of(kinds[0], row if kinds[0] is field.annotation else f"{row}0.")
        else:
            yield from _parameters_of_kinds(kinds, row)


def _parameters_of_kinds(kinds: Sequence[type[Value]], row: str) -> Iterator[Parameter]:
    """The parameters of each kind; those that the first kinds share belong to whichever comes first."""
    shared: set[str] = set()
    for number, kind in enumerate(kinds):
        name = kind.model_fields["kind"].default
        for parameter in parameters_of(kind, f"{row}{name}."):
            if number == 0:
                shared.add(parameter.name)
                yield replace(parameter, path=f"{row}0.{parameter.path.removeprefix(f'{row}{name}.')}")
            elif parameter.name not in shared:
                yield parameter


def _inside(annotation: Any) -> list[type[Value]]:
    """The values that a field holds: one, or those that its tuple may hold."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Value) else []
    return [found for inner in get_args(annotation) for found in _inside(inner)]


def _parameter(path: str, field_name: str, field: FieldInfo, facts: dict[str, Any]) -> Parameter:
    types = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else (field.annotation,)
    values = tuple(value for t in types if get_origin(t) is Literal for value in get_args(t))
    kind: Kind = "choice" if values else next(_KINDS[t] for t in types if t in _KINDS)
    bounds: dict[type, Any] = {type(rule): rule for rule in field.metadata}
    ge, le = bounds.get(annotated_types.Ge), bounds.get(annotated_types.Le)
    name = facts["name"] or field_name
    return Parameter(
        path=path,
        name=name,
        aliases=tuple(facts["aliases"]),
        label=facts["label"] or name,
        kind=kind,
        optional=type(None) in types,
        default=field.default,
        ge=None if ge is None else ge.ge,
        le=None if le is None else le.le,
        unit=facts["unit"],
        choices=facts["choices"],
        help=field.description or "",
        values=values,
    )


def names_of(known: Iterable[Parameter]) -> dict[str, Parameter]:
    """Every spelling (path, name, label, alias; lower case, letters and digits only) with its parameter.

    Raises ValueError when two parameters answer to the same spelling.
    """
    table: dict[str, Parameter] = {}
    for parameter in known:
        for spelling in (parameter.path, parameter.name, parameter.label, *parameter.aliases):
            if table.setdefault(spelling_of(spelling), parameter) is not parameter:
                raise ValueError(f"parameter name '{spelling}' is taken twice")
    return table


@cache
def _names() -> dict[str, Parameter]:
    return names_of(_registry())


def spelling_of(name: str) -> str:
    """The name with case, spaces, underscores and signs taken away, so that 'CFG scale' and 'cfg_scale' are one."""
    return "".join(c for c in name.casefold() if c.isalnum())


def find_parameter(name: str) -> Parameter:
    """The parameter that goes by this path, name, label or alias in any spelling.

    Raises UserError with the nearest known name.
    """
    spelling = spelling_of(name)
    if spelling in _names():
        return _names()[spelling]
    near = get_close_matches(spelling, _names(), n=1, cutoff=0.6)
    hint = f" did you mean '{_names()[near[0]].name}'?" if near else ""
    known = ", ".join(sorted(p.name for p in parameters()))
    raise UserError(f"parameter '{name}' is not known;{hint} Known: {known}.")


def alias_note(name: str) -> str:
    """What to tell a user who used another program's name, or nothing when the name is ours."""
    parameter = find_parameter(name)
    ours = {spelling_of(n) for n in (parameter.path, parameter.name, parameter.label)}
    return "" if spelling_of(name) in ours else f"'{name}' is known; our name is '{parameter.name}'."


def fault(parameter: Parameter, value: object, *, called: str = "") -> UserError:
    """The error for a value that a parameter cannot take."""
    note = alias_note(called or parameter.name)
    return UserError(f"{parameter.name} is {_shown(value)}; it must be {parameter.allowed}.{' ' if note else ''}{note}")


def parse_value(parameter: Parameter, text: str) -> Scalar:
    """The value that a text means for a parameter; ranges and registries are checked when it is set.

    Raises UserError when the text is of another kind, such as 'many' for steps.
    """
    plain = text.strip()
    if parameter.optional and plain.lower() in UNSET:
        return None
    if parameter.kind == "text":
        return plain if parameter.choices else text
    words = _words(parameter)
    if spelling_of(plain) in words:
        return words[spelling_of(plain)]
    if parameter.kind == "size" and (sides := _SIZE.fullmatch(plain)):
        return f"{int(sides[1])}x{int(sides[2])}"
    if parameter.kind in ("whole number", "number") and re.fullmatch(NUMBER, plain, re.ASCII):
        number = Decimal(plain)
        if parameter.kind == "number":
            return float(number)
        if number == number.to_integral_value():
            return int(number)
    raise fault(parameter, text)


def _words(parameter: Parameter) -> dict[str, Scalar]:
    """The values that have names of their own, by spelling."""
    if parameter.kind == "switch":
        return dict(_SWITCH)
    return {spelling_of(value): value for value in parameter.values}


def _range(parameter: Parameter) -> str:
    low, high = (bound if bound is None else Decimal(str(bound)).normalize() for bound in (parameter.ge, parameter.le))
    unit = f" {parameter.unit}" if parameter.unit else ""
    if low is not None and high is not None:
        return f" from {low:f} to {high:f}{unit}"
    if low is not None:
        return f" of at least {low:f}{unit}"
    return "" if high is None else f" of at most {high:f}{unit}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def text_of(value: Scalar) -> str:
    """The shortest text that ``parse_value`` reads back as this value: no '.0', 'unset' for None."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
