"""Plans: a base recipe and axes, the cells they span, and the pictures to make, dear changes seldom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from aldente.engine.errors import UserError
from aldente.recipe.axes import Axis, Draw, Point, Presets, Reorder, Replace, parse_axis
from aldente.recipe.parameters import Scalar
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.value import Value

_LORA = re.compile(r"<lora:[^<>]*>")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One place in a grid: where it is along each axis, what is written there, and the recipe of its picture."""

    recipe: Recipe
    coordinates: tuple[int, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to make, and every cell that shows it."""

    recipe: Recipe
    digest: str
    cells: tuple[Cell, ...]


class Plan(Value):
    """A base recipe and any number of axes; the first three are x, y and z of the sheets."""

    base: Recipe
    axes: tuple[Axis, ...] = ()

    @property
    def x(self) -> Axis | None:
        """The axis whose points are columns."""
        return self._axis(0)

    @property
    def y(self) -> Axis | None:
        """The axis whose points are rows."""
        return self._axis(1)

    @property
    def z(self) -> Axis | None:
        """The axis whose points are sheets."""
        return self._axis(2)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points along each axis."""
        return tuple(len(axis.points) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of cells."""
        return prod(self.shape)

    def cells(self) -> Iterator[Cell]:
        """Every cell, the first axis running fastest; of any number, one at a time."""
        for backwards in product(*(range(length) for length in reversed(self.shape))):
            coordinates = backwards[::-1]
            points = [axis.points[i] for axis, i in zip(self.axes, coordinates, strict=True)]
            yield Cell(recipe=self._recipe(points), coordinates=coordinates, labels=tuple(p.label for p in points))

    def jobs(self) -> tuple[Job, ...]:
        """Every different picture once, with the cells that show it.

        They stand in the order that changes model, LoRA and size least often; within one of these the cells' order is kept.
        """
        shown: dict[str, list[Cell]] = {}
        for cell in self.cells():
            shown.setdefault(cell.recipe.digest(), []).append(cell)
        jobs = [Job(recipe=cells[0].recipe, digest=digest, cells=tuple(cells)) for digest, cells in shown.items()]
        seen: tuple[dict[object, int], ...] = ({}, {}, {})
        ranks = [
            tuple(known.setdefault(fact, len(known)) for known, fact in zip(seen, _dear(j.recipe), strict=True)) for j in jobs
        ]
        return tuple(job for _, job in sorted(zip(ranks, jobs, strict=True), key=lambda ranked: ranked[0]))

    def _axis(self, index: int) -> Axis | None:
        return self.axes[index] if index < len(self.axes) else None

    def _recipe(self, points: Iterable[Point]) -> Recipe:
        recipe = self.base
        own: dict[str, Scalar] = {}
        for axis, point in zip(self.axes, points, strict=True):
            settings = {setting.name: setting.value for setting in point.settings}
            if axis.parameter == "preset":
                recipe = set_parameters(recipe, settings)
            else:
                own |= settings
        recipe = set_parameters(recipe, own)
        for point in points:
            for edit in point.edits:
                recipe = recipe.model_copy(update={edit.field: edited(getattr(recipe, edit.field), edit)})
        return recipe


def _dear(recipe: Recipe) -> tuple[object, ...]:
    """What is dear to change, the dearest first."""
    return recipe.model, tuple(_LORA.findall(recipe.prompt)), (recipe.width, recipe.height)


def plan_of(base: Recipe, axes: Iterable[str | Axis], *, draw: Draw | None = None, presets: Presets | None = None) -> Plan:
    """The plan of a base recipe and axes, written ('cfg=5,7,9') or made.

    Raises UserError for what ``parse_axis`` refuses, a parameter on two axes, and words to look for that no prompt has.
    """
    made = tuple(axis if isinstance(axis, Axis) else parse_axis(axis, draw=draw, presets=presets) for axis in axes)
    taken: set[str] = set()
    for axis in made:
        names = set(axis.parameter.split(" & ")) - {"prompt s/r", "negative s/r"}
        if twice := taken & names:
            raise UserError(f"{min(twice)} stands on two axes; join the lists on one.")
        taken |= names
    _check_words(base, made)
    return Plan(base=base, axes=made)


def edited(text: str, edit: Replace | Reorder) -> str:
    """The text after a search and replace, or with its words in another order; what is not found stays."""
    if isinstance(edit, Replace):
        return text.replace(edit.needle, edit.text)
    places = sorted((text.find(word), word) for word in edit.words if word in text)
    pieces, start = [], 0
    for (at, old), new in zip(places, (word for word in edit.words if word in text), strict=True):
        pieces += [text[start:at], new]
        start = max(start, at + len(old))
    return "".join(pieces) + text[start:]


def _check_words(base: Recipe, axes: Iterable[Axis]) -> None:
    """Raise unless each word to look for is in some text that the plan can put in its field."""
    points = [point for axis in axes for point in axis.points]
    edits = [edit for point in points for edit in point.edits]
    wanted = {(e.field, word) for e in edits for word in ((e.needle,) if isinstance(e, Replace) else e.words)}
    for field, word in sorted(wanted):
        texts = [getattr(base, field)]
        texts += [str(s.value) for p in points for s in p.settings if s.name == field]
        texts += [e.text for e in edits if isinstance(e, Replace) and e.field == field and e.needle != word]
        if not any(word in text for text in texts):
            other = "negative" if field == "prompt" else "prompt"
            hint = f"it is in the {other}: use '{other} s/r'" if word in getattr(base, other) else "write it as it stands there"
            raise UserError(f"the words {word!r} to look for are not in the {field}; {hint}.")
