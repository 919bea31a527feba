"""What a run will cost, told before it starts: calls counted by the engine itself, seconds measured on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from aldente.engine.errors import UserError
from aldente.engine.spelling import several
from aldente.models.port import Model, Renderer
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.cost import StageCalls, calls_of
from aldente.render.fitting import Size
from aldente.render.levels import levels_of
from aldente.render.sizes import sizes_of
from aldente.studio.workbench import Workbench

SHORT = 3
"""The steps of a picture by which a program that draws by itself is timed."""


PIXEL_BYTES = 28
"""What a pixel of a picture takes beyond those that the model draws at once: measured at 4096 px, enlarged and in tiles."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A run's size: pictures, how many of them the store has, model calls, seconds and bytes of memory at the peak.

    ``calls`` counts every evaluation as if no two jobs shared one, so it is an upper bound.
    """

    pictures: int
    stored: int
    calls: int
    seconds: float
    peak_bytes: int

    def sentence(self) -> str:
        """The forecast in one line."""
        had = f" ({self.stored} already in the store)" if self.stored else ""
        return (
            f"{several(self.pictures, 'picture')}{had}, at most {self.calls} model calls,"
            f" about {duration(self.seconds)}, {self.peak_bytes / 1e6:.0f} MB of memory."
        )


def forecast(bench: Workbench, recipes: Sequence[Recipe]) -> Forecast:
    """The cost of drawing ``recipes``; measures the speed of their models at their sizes, a few calls each."""
    unique = {recipe.digest(): recipe for recipe in recipes}
    stored = calls = peak = 0
    seconds = 0.0
    for name in dict.fromkeys(recipe.model for recipe in unique.values()):
        model = bench.model(name)
        mine = {digest: recipe for digest, recipe in unique.items() if recipe.model == name}
        known = bench.store.find_many(mine, model.info.fingerprint)
        missing = [recipe for digest, recipe in mine.items() if digest not in known]
        stored += len(known)
        held = max((_held(recipe, model) for recipe in missing), default=0)
        for size, (asked, pictures) in _by_size(missing, model).items():
            calls += asked
            seconds += asked * seconds_per_row(bench, model, size, pictures=pictures)
            peak = max(peak, held + model.info.bytes_fixed + min(model.info.rows, asked) * model.info.bytes_per_row)
    return Forecast(pictures=len(unique), stored=stored, calls=calls, seconds=seconds, peak_bytes=peak)


def _held(recipe: Recipe, model: Model) -> int:
    """The bytes of a recipe's largest picture, beyond one of the model's own size; 0 for one that cannot be drawn."""
    try:
        sizes = sizes_of(recipe, model.info)
    except UserError:
        return 0
    own = max(width * height for width, height in model.info.native)
    return PIXEL_BYTES * max(0, max(size.width * size.height for size in sizes) - own)


def _by_size(recipes: Sequence[Recipe], model: Model) -> dict[tuple[int, int], tuple[int, int]]:
    """Calls by the size that is drawn at once, and how many pictures ask for them."""
    asked: Counter[tuple[int, int]] = Counter()
    pictures: Counter[tuple[int, int]] = Counter()
    for recipe, count in Counter(_alike(recipe) for recipe in recipes).items():
        for part in _calls_of(recipe, model):
            asked[part.size] += part.calls * count
            pictures[part.size] += count
    return {size: (calls, pictures[size]) for size, calls in asked.items() if calls}


def _alike(recipe: Recipe) -> Recipe:
    """A recipe that asks as often as this one: the seed makes no difference, and the CFG only whether it is off."""
    guidance = recipe.sampling.guidance
    plain = guidance.model_copy(update={"scale": 1.0 if guidance.scale == 1.0 else 2.0})
    return recipe.model_copy(update={"seed": 0, "sampling": recipe.sampling.model_copy(update={"guidance": plain})})


def count_calls(recipe: Recipe, model: Model) -> int:
    """The model evaluations that a recipe asks for; 0 for a recipe that cannot be drawn: the run will say why."""
    return sum(part.calls for part in _calls_of(recipe, model))


def _calls_of(recipe: Recipe, model: Model) -> tuple[StageCalls, ...]:
    if model.info.whole:
        calls = cast("Renderer", model).calls(recipe)
        return (StageCalls(index=0, stage=recipe.start.kind, calls=calls, size=Size(recipe.width, recipe.height)),)
    try:
        return calls_of(recipe, model)
    except UserError:
        return ()


def seconds_per_row(bench: Workbench, model: Model, size: tuple[int, int], *, pictures: int | None = None) -> float:
    """The time of one row of ``size`` (width, height in px), measured now: the better of two calls.

    The batch is full, or as large as so few ``pictures`` make it under guidance. Of a program that draws by itself it is that
    of the better of two short pictures, whatever else it does for them included.
    """
    info = model.info
    if info.whole:
        return _seconds_whole(bench, cast("Renderer", model), size)
    rows = info.rows if pictures is None else min(info.rows, 2 * pictures)
    width, height = size
    level = levels_of(Recipe().sampling, info)[0]
    x = np.ones((rows, info.latent_channels, height // info.latent_scale, width // info.latent_scale), dtype=np.float32)
    conditions = [model.encode((("", 1.0),))] * rows
    taken = []
    for _ in range(3):
        started = bench.clock()
        model.estimate(x, [level] * rows, conditions)
        taken.append(bench.clock() - started)
    return min(taken[1:]) / rows


def _seconds_whole(bench: Workbench, renderer: Renderer, size: tuple[int, int]) -> float:
    settings = {**dict(renderer.info.usual), "width": size[0], "height": size[1], "steps": SHORT}
    recipe = set_parameters(Recipe(model=renderer.info.name), settings)
    taken = []
    for _ in range(2):
        started = bench.clock()
        calls = renderer.draw(recipe).calls
        taken.append((bench.clock() - started) / max(calls, 1))
    return min(taken)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
