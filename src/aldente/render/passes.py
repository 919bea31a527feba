"""One sampling run over a picture that is there: its words, its levels, its noise, what it keeps and what steers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aldente.engine.denoise import Asking, Latent
from aldente.engine.levels import Level
from aldente.engine.masking import inpainted
from aldente.engine.noise import find_rng
from aldente.engine.samplers import find_sampler
from aldente.engine.schedules.table import find_schedule
from aldente.engine.trajectory import trajectory
from aldente.models.port import Model
from aldente.recipe.recipe import Recipe, Sampling
from aldente.recipe.stages import Redraw, Refine, Tiles
from aldente.render.conditioning import denoiser_of
from aldente.render.controls import Steer, Steering
from aldente.render.idle import refuse_idle_noise
from aldente.render.levels import SCHEDULE_OPTIONS, levels_of
from aldente.render.noise import Noise, noise_of
from aldente.render.prepared import SAMPLER_OPTIONS, prepared
from aldente.render.reusing import thrifty
from aldente.render.scene import Canvas, Scene
from aldente.render.strength import levels_from
from aldente.render.tile_codec import encoded
from aldente.render.tile_denoising import around, seamless

Passing = Redraw | Refine | Tiles
"""The stages that draw again from a strength."""


class NotFiniteError(ArithmeticError):
    """The run left the range of numbers; the settings are too extreme for this model."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A sampling run: the ``recipe`` in its own words and sampling, the ``levels`` along which it goes, the stage's number."""

    recipe: Recipe
    levels: tuple[Level, ...]
    number: int

    def noise(self, model: Model, shape: Sequence[int]) -> Noise:
        """The noise of the run for a latent of ``shape`` (c h w), in streams of its own."""
        channels, height, width = shape
        return noise_of(
            seed_of(self.recipe, self.number),
            self.recipe.start,
            self.recipe.sampling.rng,
            (channels, height, width),
            self.levels[0],
            stage=self.number,
            latent_scale=model.info.latent_scale,
        )


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a run keeps: the ``known`` latent (1 c h w) where ``free`` (1 1 h w) is 0."""

    known: Latent
    free: Latent


def first_pass(recipe: Recipe, model: Model) -> Pass:
    """The run of a recipe that begins with noise. Raises UserError as ``levels_of`` does."""
    return Pass(recipe=recipe, levels=levels_of(recipe.sampling, model.info, (recipe.width, recipe.height)), number=0)


def pass_of(recipe: Recipe, stage: Passing, number: int, model: Model, size: tuple[int, int] | None = None) -> Pass:
    """The run that a stage with a strength above 0 makes over a picture of ``size`` px (None: the model's own).

    Raises UserError as ``levels_from`` does.
    """
    own = recipe_of(recipe, stage)
    return Pass(recipe=own, levels=levels_from(own.sampling, model.info, stage.strength, stage.rule, size), number=number)


def recipe_of(recipe: Recipe, stage: Passing) -> Recipe:
    """The recipe with the words and the sampling of a stage; options of another sampler or schedule are left behind."""
    told = recipe.sampling
    guidance = told.guidance if stage.cfg is None else told.guidance.model_copy(update={"scale": stage.cfg})
    changes: dict[str, Any] = {
        "guidance": guidance,
        **_given(stage, ("steps", "sampler", "schedule")),
        **_left_behind(told, stage),
    }
    words = _given(stage, ("prompt", "negative"))
    return recipe.model_copy(update={**words, "sampling": told.model_copy(update=changes)})


def _given(stage: Passing, names: Sequence[str]) -> Mapping[str, Any]:
    return {name: value for name in names if (value := getattr(stage, name)) is not None}


def _left_behind(told: Sampling, stage: Passing) -> dict[str, None]:
    sampler = find_sampler(stage.sampler or told.sampler)
    schedule = find_schedule(stage.schedule or told.schedule)
    dropped: list[str] = []
    if stage.sampler is not None and stage.sampler != told.sampler:
        dropped += [name for name in SAMPLER_OPTIONS if name not in sampler.options]
    if stage.schedule is not None and stage.schedule != told.schedule:
        dropped += [name for name in SCHEDULE_OPTIONS if name not in schedule.options]
    return dict.fromkeys(dropped)


def seed_of(recipe: Recipe, number: int) -> int:
    """The seed of a stage's noise. The streams of other programs begin anew at each stage: a loop counts the seed up there."""
    if find_rng(recipe.sampling.rng).by_level:
        return recipe.seed
    redrawn = sum(isinstance(stage, Redraw) for stage in recipe.stages[:number])
    return (recipe.seed + redrawn) % 2**64


def run_pass(
    run: Pass,
    model: Model,
    start: Latent,
    *,
    steers: Sequence[Steer] = (),
    keeping: Keeping | None = None,
    repeating: Steering | None = None,
) -> Asking[Latent]:
    """The latent that a run makes of ``start`` (1 c h w), noised to its first level.

    ``repeating`` is what steers a picture that is to repeat without a seam.

    Raises UserError where the words or the sampling ask for what model or sampler cannot do, NotFiniteError where the run
    leaves the range of numbers.
    """
    sampling, level = run.recipe.sampling, run.levels[0]
    noise = run.noise(model, start.shape[1:])
    made = prepared(sampling, run.levels, noise.churn)
    refuse_idle_noise(sampling, find_sampler(sampling.sampler))
    # The words change along the schedule, also where a sampler of whole runs chooses levels of its own.
    if repeating is None:
        denoise = denoiser_of(run.recipe, model, run.levels, steers)
    else:
        denoise = seamless(run.recipe, model, run.levels, around(model.info, *start.shape[2:]), repeating)
    denoise = thrifty(run.recipe, denoise, run.levels, made.levels)
    if keeping is not None:
        denoise = inpainted(denoise, keeping.known, noise.unit, keeping.free)
    x = np.asarray(level.alpha * start + noise.start, dtype=noise.start.dtype)
    latent = yield from trajectory(made.sampler, denoise, x, made.levels, noise.step, lift=made.lift)
    return finite(latent)


def finite(latent: Latent) -> Latent:
    """The latent itself; raises NotFiniteError where a number is none."""
    if not np.isfinite(np.asarray(latent)).all():
        raise NotFiniteError("the run left the range of numbers (NaN or infinity); lower the CFG scale or change the sampler.")
    return latent


def latent_in(canvas: Canvas, scene: Scene) -> Latent:
    """The canvas as a latent, encoded if need be."""
    if canvas.latent is not None:
        return canvas.latent
    if canvas.wraps:
        return encoded(canvas.picture(scene.model), scene.model, scene.model.info.size_max, wraps=True)
    return scene.model.encode_image(canvas.pixels)
