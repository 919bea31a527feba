"""Grids: a plan over any axes, its pictures, and the sheets and page that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from aldente.engine.errors import UserError
from aldente.recipe.axes import Axis, Point, Setting
from aldente.recipe.parameters import Scalar
from aldente.recipe.plan import Cell, Plan, plan_of
from aldente.render.batching import Tick
from aldente.report.sheet import Failed, Sheet
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.presets import preset_settings, with_schedule
from aldente.studio.request import resolve
from aldente.studio.workbench import Workbench

Coordinates = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GridRun:
    """A plan with what is drawn of it so far, by recipe digest."""

    plan: Plan
    drawn: Mapping[str, Drawn]

    def at(self, cell: Cell) -> Drawn | None:
        """What a cell shows; None while it is not drawn."""
        return self.drawn.get(cell.recipe.digest())

    @property
    def failed(self) -> list[Drawn]:
        """The cells' recipes that could not be drawn."""
        return [drawn for drawn in self.drawn.values() if drawn.record.failed]

    @property
    def missing(self) -> int:
        """How many cells are not drawn."""
        return sum(self.at(cell) is None for cell in self.plan.cells())


def lay_out(bench: Workbench, settings: Mapping[str, Scalar], axes: Sequence[str | Axis], *, preset: str | None = None) -> Plan:
    """The plan of what a user asked for: a base recipe and axes written as 'cfg=5,7,9'.

    A sampler on an axis takes the schedule that its users expect, unless the user named a schedule.
    Raises UserError for anything that cannot be drawn, before a picture is made.
    """
    if not axes:
        raise UserError("a grid needs an axis, such as -x 'cfg=5,7,9'.")
    base = resolve(bench, settings, preset=preset)
    plan = plan_of(base, axes, draw=bench.draw_seed, presets=preset_settings(bench.store))
    named = "schedule" in settings or any("schedule" in axis.parameter.split(" & ") for axis in plan.axes)
    return plan if named else plan.model_copy(update={"axes": tuple(map(_with_schedules, plan.axes))})


def _with_schedules(axis: Axis) -> Axis:
    return axis.model_copy(update={"points": tuple(map(_with_schedule, axis.points))})


def _with_schedule(point: Point) -> Point:
    settings = with_schedule({setting.name: setting.value for setting in point.settings})
    return point.model_copy(update={"settings": tuple(Setting(name=name, value=value) for name, value in settings.items())})


def run_grid(
    bench: Workbench,
    plan: Plan,
    *,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Drawn]:
    """Draw a plan's pictures, each once; those that the store has come first."""
    jobs = plan.jobs()
    entry = bench.store.save_plan(plan, [cell.recipe.digest() for cell in plan.cells()])
    yield from draw(bench, [job.recipe for job in jobs], Order(plan=entry.id), watch=watch, cancelled=cancelled)


@dataclass(frozen=True, kw_only=True)
class Plane:
    """The cells of one sheet: everything beyond the first two axes is fixed at ``label``."""

    label: str
    coordinates: Coordinates
    cells: Mapping[tuple[int, int], Cell]


def planes(plan: Plan) -> list[Plane]:
    """The sheets of a plan: one for each point of the third axis, or of the product of the third and further ones."""
    beyond = plan.axes[2:]
    found: dict[Coordinates, dict[tuple[int, int], Cell]] = {
        at: {} for at in (tuple(reversed(c)) for c in product(*(range(len(axis.points)) for axis in reversed(beyond))))
    }
    for cell in plan.cells():
        x, y = (*cell.coordinates, 0)[:2]
        found[cell.coordinates[2:]][x, y] = cell
    return [Plane(label=_label(beyond, at), coordinates=at, cells=cells) for at, cells in found.items()]


def _label(axes: Sequence[Axis], at: Coordinates) -> str:
    return ", ".join(axis.points[i].label for axis, i in zip(axes, at, strict=True))


def sheet_of(run: GridRun, plane: Plane, *, footer: str) -> Sheet:
    """The contact sheet of one plane of a grid, as far as it is drawn."""
    plan = run.plan
    return Sheet(
        title=plan.base.prompt or "grid",
        x_label=plan.axes[0].label,
        x_values=plan.axes[0].labels,
        y_label=plan.axes[1].label if len(plan.axes) > 1 else "",
        y_values=plan.axes[1].labels if len(plan.axes) > 1 else ("",),
        z_label=", ".join(axis.label for axis in plan.axes[2:]),
        z_value=plane.label,
        cells={at: _shown(run.at(cell)) for at, cell in plane.cells.items()},
        footer=footer,
    )


def _shown(drawn: Drawn | None) -> object:
    if drawn is None:
        return None
    return Failed(reason=drawn.record.failed) if drawn.record.failed else drawn.image
