"""Recipes to pictures: each recipe becomes a computation, the driver runs them together, the model decodes what comes out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from aldente.engine.denoise import Asking, Latent
from aldente.models.port import Image, Model, Renderer
from aldente.models.upscaling.port import Upscaler
from aldente.recipe.recipe import Recipe
from aldente.render.batching import Drive, Job, Limits, Outcome, Tick, Usage
from aldente.render.cache import PrefixCache, Prefixes
from aldente.render.controls import check_controls
from aldente.render.idle import refuse_idle
from aldente.render.metering import DECODE, Meter, StageUsage
from aldente.render.passes import NotFiniteError, latent_in
from aldente.render.scene import Canvas, Checkpoints, Scene, TileNote
from aldente.render.sizes import check_size
from aldente.render.stages import canvas_of, decoded, no_files, no_upscaler

__all__ = ["NotFiniteError", "Rendered", "check_size", "latent_of", "render"]

PREFIX_BYTES = 128 << 20
"""How much of what stages gave is kept within one run, where the caller keeps nothing itself."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A finished recipe: its picture (uint8, h w 3), or the ``error`` that kept it from being made, and its cost.

    ``latent`` (1 c h w) is that of the picture; None where the last stage worked on pixels. ``usage`` is of all model calls,
    ``stages`` tells the cost of each stage and, last, of decoding.
    """

    recipe: Recipe
    image: Image | None
    latent: Latent | None
    error: Exception | None
    usage: Usage
    stages: tuple[StageUsage, ...]

    @property
    def decode_seconds(self) -> float:
        """The time that the last latent took to become a picture."""
        return sum(part.own_seconds for part in self.stages if part.stage == DECODE)


class _Task(NamedTuple):
    """A recipe under way."""

    recipe: Recipe
    meter: Meter


def latent_of(
    recipe: Recipe,
    model: Model,
    *,
    files: Callable[[str], Image] = no_files,
    upscaler: Callable[[str], Upscaler] = no_upscaler,
) -> Asking[Latent]:
    """The computation of a recipe's latent, 1 c h w; a picture that ends as pixels is encoded.

    Raises UserError where the recipe asks for what its sampler, schedule or model cannot do.
    """
    refuse_idle(recipe, model.info)
    scene = Scene(recipe=recipe, model=model, files=files, upscaler=upscaler)
    canvas = yield from canvas_of(scene, Meter(lambda: 0.0))
    return latent_in(canvas, scene)


def render(
    recipes: Iterable[Recipe],
    model: Model,
    *,
    clock: Callable[[], float],
    limits: Limits | None = None,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    files: Callable[[str], Image] = no_files,
    upscaler: Callable[[str], Upscaler] = no_upscaler,
    cache: Prefixes | None = None,
    checkpoints: Checkpoints | None = None,
    note: Callable[[TileNote], None] | None = None,
) -> Iterator[Rendered]:
    """The pictures of ``recipes``, all of one ``model``, as they are finished; one that fails says why and stops no other.

    ``files`` gives the pictures that recipes name by hash, ``upscaler`` what they name to enlarge with. ``cache`` keeps what
    the first stages of recipes gave, from one run to the next; without it a run keeps for itself. ``checkpoints`` and
    ``note`` are as in ``Scene``. A ``Renderer`` draws them by itself, one after the other.
    """
    if model.info.whole:
        yield from _whole_pictures(recipes, cast("Renderer", model), clock, watch, cancelled)
        return
    tasks: dict[Hashable, _Task] = {}
    prefixes = PrefixCache(PREFIX_BYTES) if cache is None else cache

    def jobs() -> Iterator[Job]:
        for number, recipe in enumerate(recipes):
            meter = Meter(clock)
            tasks[number] = _Task(recipe, meter)
            scene = Scene(
                recipe=recipe,
                model=model,
                files=files,
                upscaler=upscaler,
                checkpoints=checkpoints,
                note=note,
                meter=meter,
            )
            start = _starter(scene, meter, prefixes)
            yield Job(key=number, start=start, part=lambda meter=meter: meter.stage, paid=meter.pay)  # type: ignore[misc]

    limits = limits or Limits(rows=model.info.rows)
    for outcome in Drive(jobs(), model.estimate, clock=clock, limits=limits, watch=watch, cancelled=cancelled):
        yield _finished(tasks.pop(outcome.key), outcome)


def _whole_pictures(
    recipes: Iterable[Recipe],
    renderer: Renderer,
    clock: Callable[[], float],
    watch: Callable[[Tick], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Rendered]:
    """The pictures of a program that draws them by itself, one after the other."""
    asked = 0
    for number, recipe in enumerate(recipes):
        if cancelled is not None and cancelled():
            return
        rendered = _drawn_whole(recipe, renderer, clock)
        asked += rendered.usage.asked
        if watch is not None:
            watch(Tick(number + 1, asked, 0, number + 1, 0, 1))
        yield rendered


def _drawn_whole(recipe: Recipe, renderer: Renderer, clock: Callable[[], float]) -> Rendered:
    """A picture that a program draws by itself, or what kept it from being drawn."""
    started, image, error, calls = clock(), None, None, 0
    try:
        check_size(recipe, renderer.info)
        image, calls = renderer.draw(recipe)
    except Exception as fault:  # one picture that fails stops no other, as in the driver
        error = fault
    seconds = clock() - started
    stage = StageUsage(index=0, stage=recipe.start.kind, asked=calls, evaluated=float(calls), model_seconds=seconds)
    usage = Usage(asked=calls, evaluated=float(calls), seconds=seconds)
    return Rendered(recipe=recipe, image=image, latent=None, error=error, usage=usage, stages=(stage,))


def _starter(scene: Scene, meter: Meter, prefixes: Prefixes) -> Callable[[], Asking[Canvas]]:
    return lambda: _picture(scene, meter, prefixes)


def _picture(scene: Scene, meter: Meter, prefixes: Prefixes) -> Asking[Canvas]:
    """The canvas of a recipe with its pixels; what is wrong with the recipe is an error of the job."""
    check_size(scene.recipe, scene.model.info)
    check_controls(scene.recipe.controls or (), scene.model)
    refuse_idle(scene.recipe, scene.model.info)
    canvas = yield from canvas_of(scene, meter, prefixes)
    count = len(scene.recipe.stages)
    return (yield from meter.counted(count, decoded(canvas, scene, count, meter, prefixes)))


def _finished(task: _Task, outcome: Outcome) -> Rendered:
    canvas: Canvas | None = outcome.result
    stages = _stages(task, outcome)
    usage = Usage(asked=sum(stage.asked for stage in stages), evaluated=outcome.usage.evaluated, seconds=outcome.usage.seconds)
    return Rendered(
        recipe=task.recipe,
        image=None if canvas is None else canvas.pixels,
        latent=None if canvas is None else canvas.latent,
        error=outcome.error,
        usage=usage,
        stages=stages,
    )


def _stages(task: _Task, outcome: Outcome) -> tuple[StageUsage, ...]:
    """The cost of each stage that was reached."""
    kinds = (*(stage.kind for stage in task.recipe.stages), DECODE)
    nothing = Usage(asked=0, evaluated=0.0, seconds=0.0)
    return tuple(
        StageUsage(
            index=index,
            stage=kinds[index],
            asked=asked,
            evaluated=outcome.parts.get(index, nothing).evaluated,
            model_seconds=outcome.parts.get(index, nothing).seconds,
            own_seconds=task.meter.own_seconds.get(index, 0.0),
        )
        for index, asked in task.meter.asked.items()
    )
