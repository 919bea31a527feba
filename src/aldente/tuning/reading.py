"""The reading of a grid: what each axis does to the pictures, in numbers and one sentence."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aldente.engine.errors import UserError
from aldente.quality.metric import Image
from aldente.quality.reference import jpeg_rmse, rmse
from aldente.quality.sharpness import detail
from aldente.quality.structure import composition
from aldente.quality.table import flaws
from aldente.recipe.value import Value
from aldente.tuning.flaws import guidance_range
from aldente.tuning.result import GuidanceRange

Coordinates = tuple[int, ...]

SUBJECTS = ("prompt", "seed")
"""Axes along which the picture is another one: its flaws are then judged over several subjects."""


@dataclass(frozen=True, kw_only=True)
class GridAxis:
    """An axis of a grid: the parameter (``"steps"``, ``"cfg"``, ``"sampler"`` ...), the text and the value of each point.

    A combined axis has several parameters; it is read as one of no special kind.
    """

    parameter: str
    labels: tuple[str, ...]
    values: tuple[object, ...]


class NeighbourChange(Value):
    """What one stop of an axis changes: mean over all pairs of cells that differ in nothing else.

    ``jnd`` is the distance in just noticeable differences, ``composition`` the composition shift (0 to 1).
    """

    start: str
    end: str
    jnd: float
    composition: float
    pairs: int


class AxisReading(Value):
    """The reading of one axis: the change between neighbours, the detail at each point, and a sentence.

    ``settles`` is the point from which no later stop is noticeable (step axes), ``guidance`` the range without worse
    flaws (CFG axes); points follow the order of the numbers on those axes and of the grid elsewhere.
    """

    parameter: str
    points: tuple[str, ...]
    detail: tuple[float | None, ...]
    changes: tuple[NeighbourChange, ...]
    settles: str | None
    guidance: GuidanceRange | None
    sentence: str


class GridReading(Value):
    """The reading of a whole grid; 1 ``jnd`` is that many 8-bit steps."""

    jnd: float
    cells: int
    axes: tuple[AxisReading, ...]


@dataclass(frozen=True, kw_only=True)
class _Grid:
    axes: Sequence[GridAxis]
    cells: Mapping[Coordinates, Image]
    jnd: float
    details: Mapping[Coordinates, float]


def read_grid(axes: Sequence[GridAxis], cells: Mapping[Coordinates, Image]) -> GridReading:
    """The reading of the cells that exist; axes with one point, or without two neighbouring cells, are left out.

    Raises UserError when there is no cell.
    """
    if not cells:
        raise UserError("a grid without pictures cannot be read; look at why its cells failed.")
    jnd = max(0.5, math.fsum(jpeg_rmse(image) for image in cells.values()) / len(cells))
    grid = _Grid(axes=axes, cells=cells, jnd=jnd, details={at: detail(image) for at, image in cells.items()})
    readings = [_read(grid, index) for index, axis in enumerate(axes) if len(axis.labels) > 1]
    return GridReading(jnd=jnd, cells=len(cells), axes=tuple(reading for reading in readings if reading is not None))


def _read(grid: _Grid, index: int) -> AxisReading | None:
    axis = grid.axes[index]
    order = _order(axis)
    changes = _changes(grid, index, order)
    if not changes:
        return None
    reading = AxisReading(
        parameter=axis.parameter,
        points=tuple(axis.labels[i] for i in order),
        detail=tuple(_mean([value for at, value in grid.details.items() if at[index] == i]) for i in order),
        changes=changes,
        settles=_settles(changes, [axis.labels[i] for i in order]) if axis.parameter == "steps" else None,
        guidance=_guidance(grid, index) if axis.parameter == "cfg" else None,
        sentence="",
    )
    return reading.model_copy(update={"sentence": _sentence(reading)})


def _order(axis: GridAxis) -> list[int]:
    """The points in the order of their numbers on step and CFG axes, as given elsewhere."""
    points = list(range(len(axis.labels)))
    numbers = [value for value in axis.values if isinstance(value, int | float) and not isinstance(value, bool)]
    if axis.parameter in ("steps", "cfg") and len(numbers) == len(points):
        return sorted(points, key=lambda i: numbers[i])
    return points


def _changes(grid: _Grid, index: int, order: Sequence[int]) -> tuple[NeighbourChange, ...]:
    changes = []
    labels = grid.axes[index].labels
    for here, there in pairwise(order):
        pairs = _pairs(grid.cells, index, here, there)
        if pairs:
            changes.append(
                NeighbourChange(
                    start=labels[here],
                    end=labels[there],
                    jnd=math.fsum(rmse(a, b) for a, b in pairs) / len(pairs) / grid.jnd,
                    composition=math.fsum(composition(a, b) for a, b in pairs) / len(pairs),
                    pairs=len(pairs),
                )
            )
    return tuple(changes)


def _pairs(cells: Mapping[Coordinates, Image], index: int, here: int, there: int) -> list[tuple[Image, Image]]:
    """The cells at two points of an axis that differ in nothing else; of one size, as an axis may be the size itself."""
    both = []
    for at, image in sorted(cells.items(), key=lambda cell: cell[0]):
        other = cells.get((*at[:index], there, *at[index + 1 :])) if at[index] == here else None
        if other is not None and other.shape == image.shape:
            both.append((image, other))
    return both


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _settles(changes: Sequence[NeighbourChange], labels: Sequence[str]) -> str | None:
    """The first point after which no stop is noticeable; None when the last stop still is."""
    settled: str | None = None
    for change in reversed(changes):
        if change.jnd > 1.0:
            break
        settled = change.start
    return settled if settled in labels else None


def _guidance(grid: _Grid, index: int) -> GuidanceRange | None:
    """The flaw range along a CFG axis, on the lines where every CFG was made."""
    axis = grid.axes[index]
    values = {i: float(value) for i, value in enumerate(axis.values) if isinstance(value, int | float)}
    lines: dict[Coordinates, dict[float, Image]] = {}
    for at, image in grid.cells.items():
        lines.setdefault((*at[:index], *at[index + 1 :]), {})[values[at[index]]] = image
    whole = [line for line in sorted(lines) if len(lines[line]) == len(values)]
    if not whole or len(set(values.values())) < 2:
        return None
    subjects = [i for i, other in enumerate(a for a in grid.axes if a is not axis) if other.parameter in SUBJECTS]
    clusters: list[Hashable] = [tuple(line[i] for i in subjects) if subjects else line for line in whole]
    readings = {value: [flaws(lines[line][value]) for line in whole] for value in sorted(values.values())}
    return guidance_range(readings, clusters, baseline=_baseline(sorted(readings)), alpha=0.05)


def _baseline(values: Sequence[float]) -> float:
    """The scale to compare with: the one nearest to 4, where guidance usually works and nothing is burnt yet."""
    return min(values, key=lambda value: abs(math.log(max(value, 0.1) / 4.0)))


def _sentence(reading: AxisReading) -> str:
    most = max(reading.changes, key=lambda change: change.composition)
    shift = f"composition shifts most from {most.start} to {most.end} ({most.composition:.2f} of 1)"
    if reading.parameter == "steps":
        return f"Steps: {_on_steps(reading)}; {shift}."
    if reading.guidance is not None:
        return f"CFG: {reading.guidance.sentence.rstrip('.')}; {shift}."
    name = "CFG" if reading.parameter == "cfg" else reading.parameter.replace("_", " ").capitalize()
    largest = max(reading.changes, key=lambda change: change.jnd)
    if len(reading.changes) == 1:
        moved = f"the pictures differ by {largest.jnd:.1f} JND and in composition by {largest.composition:.2f} of 1"
        return f"{name}: from {largest.start} to {largest.end} {moved}."
    return f"{name}: neighbours differ by {_spread(reading)} JND, most from {largest.start} to {largest.end}; {shift}."


def _on_steps(reading: AxisReading) -> str:
    last = reading.changes[-1]
    if reading.settles is None:
        return f"not settled at {last.end}: the stop from {last.start} still moves the picture by {last.jnd:.1f} JND"
    at, end = (reading.detail[reading.points.index(point)] for point in (reading.settles, last.end))
    kept = f", with {at / end:.0%} of the detail at {last.end}" if at is not None and end else ""
    before = next((change for change in reading.changes if change.end == reading.settles), None)
    coming = "" if before is None else f" (the stop before, {before.start} to {before.end}, {before.jnd:.1f})"
    return f"the picture settles at {reading.settles}: no later stop moves it by more than 1 JND{coming}{kept}"


def _spread(reading: AxisReading) -> str:
    sizes = [change.jnd for change in reading.changes]
    return f"{min(sizes):.1f} to {max(sizes):.1f}"
