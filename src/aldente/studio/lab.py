"""The parameter lab: strips of pictures in which one thing varies and all else is held, read and ranked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.recipe.axes import Axis, axis_of, parse_axis
from aldente.recipe.parameters import Scalar, find_parameter
from aldente.recipe.plan import Plan, plan_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameters
from aldente.render.batching import Tick
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.grid import GridRun
from aldente.studio.presets import preset_settings
from aldente.studio.request import resolve
from aldente.studio.workbench import Workbench
from aldente.tuning.isolation import Effect, Isolation, effect, isolation, jnd_of, values_around

VARIED = ("steps", "cfg", "sampler", "seed")
"""What a lab varies when it is not told."""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A base recipe, the seeds that everything is drawn with, and one plan for each parameter that is varied."""

    base: Recipe
    seeds: tuple[int, ...]
    strips: tuple[Plan, ...]

    @property
    def bases(self) -> dict[int, Recipe]:
        """The base recipe with each seed."""
        return {seed: set_parameters(self.base, {"seed": seed}) for seed in self.seeds}

    def recipes(self) -> list[Recipe]:
        """Every picture of the lab, the base pictures first, each once."""
        every = [*self.bases.values(), *(job.recipe for strip in self.strips for job in strip.jobs())]
        return list({recipe.digest(): recipe for recipe in every}.values())

    def digest(self) -> str:
        """The identity of the lab."""
        parts = [self.base.digest(), *map(str, self.seeds), *(strip.digest() for strip in self.strips)]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class LabRun:
    """A lab with what is drawn of it so far, by recipe digest."""

    lab: Lab
    drawn: Mapping[str, Drawn]

    def strip(self, plan: Plan) -> GridRun:
        """One strip as a grid."""
        return GridRun(plan=plan, drawn=self.drawn)

    @property
    def missing(self) -> int:
        """How many pictures are not drawn."""
        return sum(recipe.digest() not in self.drawn for recipe in self.lab.recipes())

    @property
    def failed(self) -> list[Drawn]:
        """What could not be drawn."""
        return [one for one in self.drawn.values() if one.record.failed]


def set_up(
    bench: Workbench,
    settings: Mapping[str, Scalar],
    vary: Sequence[str],
    *,
    seeds: int = 1,
    preset: str | None = None,
) -> Lab:
    """The lab around what a user set; ``vary`` holds names ('steps,cfg') and axes ('cfg=5,7,9'), or nothing for the usual.

    Raises UserError for anything that cannot be drawn, and for a parameter that is varied twice.
    """
    if seeds < 1:
        raise UserError(f"the number of seeds is {seeds}; it must be 1 or more.")
    base = resolve(bench, settings, preset=preset)
    axes = [axis for words in (vary or [",".join(VARIED)]) for axis in _axes(bench, base, words)]
    names = [axis.parameter for axis in axes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{twice[0]} is varied twice; give all its values at once.")
    row = tuple((base.seed + i) % 2**64 for i in range(seeds))
    return Lab(base=base, seeds=row, strips=tuple(_strip(base, axis, row) for axis in axes))


def _axes(bench: Workbench, base: Recipe, words: str) -> list[Axis]:
    """An axis as it is written, or one around the base for each name."""
    if "=" in words:
        return [parse_axis(words, draw=bench.draw_seed, presets=preset_settings(bench.store))]
    names = [find_parameter(name.strip()).name for name in words.split(",") if name.strip()]
    return [axis_of(name, values_around(name, get_parameter(base, name))) for name in names]


def _strip(base: Recipe, axis: Axis, seeds: Sequence[int]) -> Plan:
    """The plan of one parameter; with several seeds, one row for each, unless it is the seed that varies."""
    rows = [] if axis.parameter == "seed" or len(seeds) == 1 else [axis_of("seed", seeds)]
    return plan_of(base, [axis, *rows])


def run_lab(
    bench: Workbench,
    lab: Lab,
    *,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Drawn]:
    """Draw a lab's pictures, each once; those that the store has come first."""
    yield from draw(bench, lab.recipes(), Order(), watch=watch, cancelled=cancelled)


def read_lab(run: LabRun) -> Isolation:
    """The effects of what is drawn. Raises UserError while no base picture is."""
    made = {digest: one for digest, one in run.drawn.items() if not one.record.failed}
    bases = {seed: made[recipe.digest()].image for seed, recipe in run.lab.bases.items() if recipe.digest() in made}
    if not bases:
        raise UserError("the base picture could not be drawn, so there is nothing to compare with; look at its reason.")
    jnd = jnd_of(list(bases.values()))
    own = {recipe.digest() for recipe in run.lab.bases.values()}
    effects: list[Effect] = []
    for plan in run.lab.strips:
        strips: dict[int, list[tuple[str, Image]]] = {}
        for cell in plan.cells():
            digest, seed = cell.recipe.digest(), cell.recipe.seed
            # A picture of another seed is compared with the one base that there is for it.
            pair = run.lab.base.seed if plan.axes[0].parameter == "seed" else seed
            if digest in made and digest not in own:
                strips.setdefault(pair, []).append((cell.labels[0], made[digest].image))
        found = effect(plan.axes[0].parameter, plan.axes[0].label, strips, bases, jnd=jnd)
        effects += [] if found is None else [found]
    return isolation(effects, jnd=jnd, seeds=len(bases))
