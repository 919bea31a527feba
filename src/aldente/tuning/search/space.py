"""The space of a search: a finite list of values for each parameter, its places and their neighbours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from pydantic import Field

from aldente.engine.errors import UserError
from aldente.engine.samplers.table import find_sampler
from aldente.recipe.names import split_sampler
from aldente.recipe.parameters import NUMBER, UNSET, Parameter, Scalar, find_parameter
from aldente.recipe.ranges import expand_numbers, split_values
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameter, set_parameters
from aldente.recipe.value import Value

Place = tuple[int, ...]
"""A point of a space: which value of each dimension."""

SOLVER = frozenset(
    {"sampler", "schedule", "steps", "rho", "sigma_min", "sigma_max", "discard_next_to_last", "shift", "rtol", "sigmas"}
    | {"reuse_threshold", "reuse_start", "reuse_end"}
)
"""Parameters of the solver axis: they change how exactly a picture is made, not which one is wanted."""

SUBJECTS = ("model", "prompt", "seed")
"""What a search is carried out over, not varied by it."""

FINEST = 2.0**0.25
"""Steps of a range are spaced by this factor, two values for each rung of the usual ladder."""

MOST_VALUES = 16
"""As many values a range of numbers is filled with."""

_RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})\s*", re.ASCII)


class Dimension(Value):
    """A parameter and the values that a search may give it; ``None`` is unset."""

    name: str
    values: tuple[bool | int | float | str | None, ...] = Field(min_length=1)

    @property
    def ordered(self) -> bool:
        """Whether neighbours in the list are neighbours in effect."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def taste(self) -> bool:
        """Whether it changes which picture is wanted."""
        return self.name not in SOLVER


class Space(Value):
    """The product of its dimensions."""

    dimensions: tuple[Dimension, ...] = Field(min_length=1)

    @property
    def size(self) -> int:
        """How many places it has."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def index(self, name: str) -> int | None:
        """Where a parameter stands; None when it is not varied."""
        return next((i for i, dimension in enumerate(self.dimensions) if dimension.name == name), None)

    def settings(self, place: Place) -> dict[str, Scalar]:
        """What a place says."""
        return {dimension.name: dimension.values[i] for dimension, i in zip(self.dimensions, place, strict=True)}

    def place(self, settings: Mapping[str, Scalar]) -> Place | None:
        """The place nearest to settings; None where a word of them is not in the space or a parameter is missing."""
        found = [_nearest(dimension, settings) for dimension in self.dimensions]
        return None if None in found else tuple(i for i in found if i is not None)

    def neighbours(self, place: Place) -> Iterator[Place]:
        """Places that differ in one dimension: by one stop of an ordered one, by any value of another."""
        for at, dimension in enumerate(self.dimensions):
            here, count = place[at], len(dimension.values)
            others = (here - 1, here + 1) if dimension.ordered else range(count)
            yield from ((*place[:at], i, *place[at + 1 :]) for i in others if 0 <= i < count and i != here)

    def moved(self, place: Place, name: str, i: int) -> Place:
        """The place with another value of one dimension."""
        at = self.index(name)
        return place if at is None else (*place[:at], i, *place[at + 1 :])

    def recipe(self, base: Recipe, place: Place) -> Recipe:
        """The recipe of a place; options that its sampler does not take are dropped."""
        return fitting(set_parameters(base, self.settings(place)))


def _nearest(dimension: Dimension, settings: Mapping[str, Scalar]) -> int | None:
    if dimension.name not in settings:
        return None
    wanted = settings[dimension.name]
    if wanted in dimension.values:
        return dimension.values.index(wanted)
    if not dimension.ordered or not isinstance(wanted, int | float) or isinstance(wanted, bool):
        return None
    numbers = [float(value) for value in dimension.values if value is not None]
    return min(range(len(numbers)), key=lambda i: abs(numbers[i] - wanted))


OPTIONS = ("eta", "s_noise", "s_churn", "s_tmin", "s_tmax", "rtol")


def fitting(recipe: Recipe) -> Recipe:
    """The recipe without options that its sampler or schedule has no use for."""
    sampling = recipe.sampling
    info = find_sampler(sampling.sampler)
    honoured = info.options if sampling.s_churn else info.own_options
    dropped = {name: None for name in OPTIONS if name not in honoured}
    bend = {} if sampling.schedule in ("karras", "polyexponential") else {"rho": None}
    return recipe.model_copy(update={"sampling": sampling.model_copy(update={**dropped, **bend})})


def parse_space(texts: Iterable[str], base: Recipe) -> tuple[Dimension, ...]:
    """The dimensions that texts like 'cfg=2..9', 'sampler=euler,heun' and 'steps=6..40' name.

    Raises UserError for what cannot be varied, is there twice, or is not allowed.
    """
    found: dict[str, Dimension] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals:
            raise UserError(f"{text.strip()!r} names no values; write parameter=from..to or parameter=a,b.")
        dimension = _dimension(find_parameter(name.strip()), values, base)
        if dimension.name in found:
            raise UserError(f"{dimension.name} is in the space twice; give all its values at once.")
        found[dimension.name] = dimension
    return tuple(found.values())


def _dimension(parameter: Parameter, text: str, base: Recipe) -> Dimension:
    if parameter.name in SUBJECTS:
        raise UserError(f"a search is carried out over prompts and seeds of one model; it cannot vary the {parameter.name}.")
    values = [value for item in split_values(text) if item for value in _read(parameter, item)]
    return dimension_of(parameter.name, values, base)


def dimension_of(name: str, values: Sequence[Scalar], base: Recipe) -> Dimension:
    """The dimension of a parameter over these values, each in its one spelling and once; numbers ascend.

    Raises UserError for a value that is not allowed, or for a sampler that has no solution to be near to.
    """
    known = [_checked(name, value, base) for value in values]
    if not known:
        raise UserError(f"{name} has no values to choose from; write {name}=a,b.")
    unique = list(dict.fromkeys(known))
    numbers = [value for value in unique if isinstance(value, int | float) and not isinstance(value, bool)]
    return Dimension(name=name, values=tuple(sorted(numbers) if len(numbers) == len(unique) else unique))


def _checked(name: str, value: Scalar, base: Recipe) -> Scalar:
    if name == "sampler" and isinstance(value, str):
        sampler, schedule = split_sampler(value)
        if schedule is not None:
            raise UserError(f"'{value}' names a schedule as well; give them apart: sampler={sampler} and schedule={schedule}.")
        if not find_sampler(sampler).converges or find_sampler(sampler).whole:
            raise UserError(
                f"sampler '{sampler}' has no steps that lead to a solution, so a search cannot judge it; leave it out."
            )
    return get_parameter(set_parameter(base, name, value), name)


def _read(parameter: Parameter, item: str) -> list[Scalar]:
    """The values that an item of a list means."""
    if parameter.kind not in ("whole number", "number") or item.strip().lower() in UNSET:
        return [item.strip()]
    whole = parameter.kind == "whole number"
    if span := _RANGE.fullmatch(item):
        low, high = sorted((float(span[1]), float(span[2])))
        return list(filled(low, high, whole=whole, geometric=parameter.name == "steps"))
    return [_number(value, whole) for value in expand_numbers([item], whole=whole)]


def _number(value: Fraction | str, whole: bool) -> Scalar:
    if isinstance(value, str):
        return value
    return int(value) if whole and value.denominator == 1 else float(value)


def filled(low: float, high: float, *, whole: bool, geometric: bool) -> tuple[float, ...]:
    """Values from ``low`` to ``high``: spaced by a factor, or evenly by 1, 2 or 5 times a power of ten, the ends among them."""
    if geometric:
        count = max(1, round(math.log(max(high, 1) / max(low, 1)) / math.log(FINEST)))
        spaced = {round(max(low, 1) * (max(high, 1) / max(low, 1)) ** (i / count)) for i in range(count + 1)}
        return tuple(sorted(spaced))
    if high == low:
        return (int(low) if whole else low,)
    rough = (high - low) / (MOST_VALUES - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    stop = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9))
    stop = max(1.0, stop) if whole else stop
    count = math.floor((high - low) / stop + 1e-9)
    inner = [round(low + i * stop, 10) for i in range(count + 1)]
    values = sorted({*inner, high})
    return tuple(round(value) for value in values) if whole else tuple(values)
