"""Recipes to pictures: each recipe becomes a computation, the driver runs them together, the model decodes what comes out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from aldente.engine.denoise import Asking, Latent
from aldente.engine.errors import UserError
from aldente.engine.samplers import find_sampler, prepare
from aldente.engine.trajectory import trajectory
from aldente.models.port import Image, Model, ModelInfo
from aldente.recipe.recipe import Recipe
from aldente.render.batching import Drive, Job, Limits, Outcome, Tick, Usage
from aldente.render.conditioning import denoiser_of
from aldente.render.idle import refuse_idle
from aldente.render.levels import levels_of
from aldente.render.noise import noise_of

_SAMPLER_OPTIONS = ("eta", "s_noise", "s_churn", "s_tmin", "s_tmax", "rtol")


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A finished recipe: its picture (uint8, h w 3) and latent (1 c h w), or the ``error`` that kept it from being made."""

    recipe: Recipe
    image: Image | None
    latent: Latent | None
    error: Exception | None
    usage: Usage
    decode_seconds: float


class NotFiniteError(ArithmeticError):
    """The run left the range of numbers; the settings are too extreme for this model."""


def latent_of(recipe: Recipe, model: Model) -> Asking[Latent]:
    """The computation of a recipe's latent, 1 c h w.

    Raises UserError where the recipe asks for what its sampler, schedule or model cannot do.
    """
    info, sampling = model.info, recipe.sampling
    levels = levels_of(sampling, info)
    shape = (info.latent_channels, recipe.height // info.latent_scale, recipe.width // info.latent_scale)
    noise = noise_of(recipe.seed, recipe.start, sampling.rng, shape, levels[0])
    options = {name: getattr(sampling, name) for name in _SAMPLER_OPTIONS}
    run = prepare(find_sampler(sampling.sampler), levels, noise.churn, options)
    refuse_idle(recipe, info)
    # The words change along the schedule, also where a sampler of whole runs chooses levels of its own.
    denoise = denoiser_of(recipe, model, levels)
    return trajectory(run.sampler, denoise, noise.start, run.levels, noise.step, lift=run.lift)


def check_size(recipe: Recipe, info: ModelInfo) -> None:
    """Raise UserError unless the model can draw the recipe's size."""
    for side, value in (("width", recipe.width), ("height", recipe.height)):
        if value % info.size_multiple or not info.size_min <= value <= info.size_max:
            native = " or ".join(f"{width}x{height}" for width, height in info.native)
            raise UserError(
                f"{side} is {value}; model '{info.name}' draws multiples of {info.size_multiple} px"
                f" from {info.size_min} to {info.size_max}. It was made for {native}."
            )


def render(
    recipes: Iterable[Recipe],
    model: Model,
    *,
    clock: Callable[[], float],
    limits: Limits | None = None,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Rendered]:
    """The pictures of ``recipes``, all of one ``model``, as they are finished; one that fails says why and stops no other."""
    wanted: dict[Hashable, Recipe] = {}

    def jobs() -> Iterator[Job]:
        for number, recipe in enumerate(recipes):
            wanted[number] = recipe
            yield Job(key=number, start=partial(_guarded, recipe, model))

    limits = limits or Limits(rows=model.info.rows)
    for outcome in Drive(jobs(), model.estimate, clock=clock, limits=limits, watch=watch, cancelled=cancelled):
        yield _finished(wanted.pop(outcome.key), outcome, model, clock)


def _guarded(recipe: Recipe, model: Model) -> Asking[Latent]:
    """``latent_of``, whose errors belong to the job; it ends in finite numbers or raises NotFiniteError."""
    check_size(recipe, model.info)
    latent = yield from latent_of(recipe, model)
    if not np.isfinite(np.asarray(latent)).all():
        raise NotFiniteError("the run left the range of numbers (NaN or infinity); lower the CFG scale or change the sampler.")
    return latent


def _finished(recipe: Recipe, outcome: Outcome, model: Model, clock: Callable[[], float]) -> Rendered:
    started = clock()
    image = None if outcome.error else model.decode(outcome.result)[0]
    return Rendered(
        recipe=recipe,
        image=image,
        latent=outcome.result,
        error=outcome.error,
        usage=outcome.usage,
        decode_seconds=clock() - started,
    )
