"""The question of a learned schedule, and the recipes that answer it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.samplers.info import SamplerInfo
from aldente.engine.samplers.table import find_sampler
from aldente.engine.schedules.table import schedules
from aldente.models.port import ModelInfo
from aldente.recipe.recipe import Recipe, Sampling
from aldente.recipe.sigmas import sigmas_text
from aldente.recipe.value import Value
from aldente.render.levels import levels_of
from aldente.tuning.learning.spacing import Spacing

Sigmas = tuple[float, ...]
"""The levels of a run above 0."""

TEACHER_SAMPLER, TEACHER_SCHEDULE = "dpmpp_2m", "exponential"

FEWEST_STEPS = 3

OPTIONS = (
    "eta",
    "s_noise",
    "s_churn",
    "s_tmin",
    "s_tmax",
    "rho",
    "sigma_min",
    "sigma_max",
    "shift",
    "sigmas",
    "rtol",
    "reuse_threshold",
)
"""What a lesson leaves unset: noise has no converged picture to learn from, and levels are what is learned."""


class Lesson(Value):
    """A lesson asks which levels are best for this model, sampler, CFG and number of steps.

    ``base`` is everything that stays as it is, the number of steps included; seeds count up from its own, one for each
    prompt. The teacher is DPM++ 2M in ``teacher_steps`` steps even in ln sigma. ``starts`` is how many schedules are improved
    before the best goes on alone; ``budget_calls`` ends the search (None: when it gains nothing more).
    """

    base: Recipe
    prompts: tuple[str, ...] = Field(min_length=2)
    held_out_prompts: tuple[str, ...] = Field(min_length=2)
    teacher_steps: int = Field(default=120, ge=20, le=1000)
    starts: int = Field(default=3, ge=1, le=16)
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    budget_calls: int | None = None

    @property
    def steps(self) -> int:
        """How many steps are learned for."""
        return self.base.sampling.steps


def learnable(lesson: Lesson) -> SamplerInfo:
    """The sampler of a lesson. Raises UserError where there is nothing to learn or nothing to learn it from."""
    sampling = lesson.base.sampling
    info = find_sampler(sampling.sampler)
    if info.whole:
        raise UserError(f"sampler '{info.name}' spaces its levels itself, so there are none to learn; try 'dpmpp_2m'.")
    if info.stochastic or not info.converges or info.name.endswith("_cfg_pp"):
        raise UserError(
            f"sampler '{info.name}' has no picture in common with other samplers that it could be taught;"
            " choose one that adds no noise, such as 'dpmpp_2m', 'uni_pc' or 'euler'."
        )
    for name in OPTIONS:
        if getattr(sampling, name) is not None:
            raise UserError(
                f"{name} is set, but a schedule is learned over the model's whole range and without noise; unset it."
            )
    if lesson.steps < FEWEST_STEPS:
        raise UserError(f"steps is {lesson.steps}; there is something to learn from {FEWEST_STEPS} steps on.")
    shared = sorted(set(lesson.prompts) & set(lesson.held_out_prompts))
    if shared:
        raise UserError(f"'{shared[0]}' is among the prompts and the held-out prompts; what is learned from proves nothing.")
    return info


def spacing_of(lesson: Lesson, info: ModelInfo) -> Spacing:
    """The limits of the schedules of a lesson."""
    return Spacing(sigma_max=info.sigma_max, sigma_min=info.sigma_min, steps=lesson.steps)


def known_schedules(lesson: Lesson, info: ModelInfo, *, steps: int | None = None) -> dict[str, Sigmas]:
    """The levels of every schedule that this model can be run with, by name, as a user of the sampler would get them.

    Schedules whose levels have nothing to do with the model's range are left out, and doubles.
    """
    found: dict[str, Sigmas] = {}
    for schedule in schedules():
        sampling = lesson.base.sampling.model_copy(update={"schedule": schedule.name, "steps": steps or lesson.steps})
        try:
            levels = positive(levels_of(sampling, info))
        except UserError:
            continue
        within = info.sigma_min * 0.5 < levels[-1] and levels[0] <= info.sigma_max * 1.0001
        if within and levels not in found.values():
            found[schedule.name] = levels
    return found


def positive(levels: Sequence[Level]) -> Sigmas:
    """The sigmas of levels, without the final 0."""
    return tuple(level.sigma for level in levels if level.sigma > 0.0)


def recipe_for(lesson: Lesson, prompt: str, sigmas: Sigmas, sampler: str) -> Recipe:
    """The recipe of one prompt along these levels."""
    written = {"sampler": sampler, "schedule": "custom", "sigmas": sigmas_text(sigmas), "steps": len(sigmas)}
    return _with(lesson, prompt, written)


def teacher_for(lesson: Lesson, prompt: str) -> Recipe:
    """The recipe of the converged latent of one prompt; it does not depend on what is taught."""
    return _with(lesson, prompt, {"sampler": TEACHER_SAMPLER, "schedule": TEACHER_SCHEDULE, "steps": lesson.teacher_steps})


def _with(lesson: Lesson, prompt: str, changed: dict[str, object]) -> Recipe:
    sampling: Sampling = lesson.base.sampling.model_copy(update={"discard_next_to_last": None, **changed})
    # A prompt has one seed, and each its own: one start for all would teach what suits that start.
    place = (*lesson.prompts, *lesson.held_out_prompts).index(prompt)
    seed = (lesson.base.seed + place) % 2**64
    return lesson.base.model_copy(update={"prompt": prompt, "seed": seed, "sampling": sampling})


def calls_of(lesson: Lesson, sigmas: Sigmas, sampler: str | None = None) -> int:
    """The evaluations of one picture along these levels, predicted: the last step is one, and guidance asks twice.

    ``sampler`` is the lesson's if not given.
    """
    each = find_sampler(sampler or lesson.base.sampling.sampler).calls_per_step
    return ((len(sigmas) - 1) * each + 1) * (1 if lesson.base.sampling.guidance.scale == 1.0 else 2)
