"""Where a run foretells evaluations instead of asking for them."""

from __future__ import annotations

from collections.abc import Sequence

from aldente.engine.denoise import Denoiser
from aldente.engine.levels import Level
from aldente.engine.reuse import END, START, Reuse, reusing
from aldente.engine.samplers import find_sampler
from aldente.recipe.prompt import Prompt, parse
from aldente.recipe.recipe import Recipe, Sampling
from aldente.render.controls import Steer
from aldente.render.idle import refuse_idle_reuse


def thrifty(recipe: Recipe, denoise: Denoiser, words: Sequence[Level], levels: Sequence[Level]) -> Denoiser:
    """``denoise``, asked as seldom as the recipe allows; made anew for each run along ``levels``.

    ``words`` are the levels along which the words of the prompts change. Raises UserError where the recipe allows what its
    sampler cannot do.
    """
    sampling = recipe.sampling
    refuse_idle_reuse(sampling, find_sampler(sampling.sampler))
    return reusing(denoise, reuse_of(sampling), levels, _changes(recipe, words)) if reuses(sampling) else denoise


def reuses(sampling: Sampling) -> bool:
    """Whether any step may be foretold: then the calls of a run depend on the picture."""
    return bool(sampling.reuse_threshold)


def reuse_of(sampling: Sampling) -> Reuse:
    """What the sampling says of foretelling."""
    start, end = sampling.reuse_start, sampling.reuse_end
    return Reuse(
        threshold=sampling.reuse_threshold or 0.0, start=START if start is None else start, end=END if end is None else end
    )


def without_reuse(recipe: Recipe) -> Recipe:
    """The recipe that asks for every step."""
    nothing = {"reuse_threshold": None, "reuse_start": None, "reuse_end": None}
    return recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update=nothing)})


def _changes(recipe: Recipe, levels: Sequence[Level]) -> tuple[float, ...]:
    """The sigmas at which the words, the guidance or the control pictures change."""
    steps, guidance = len(levels) - 1, recipe.sampling.guidance
    bounds = [bound for bound in (guidance.low, guidance.high) if bound is not None]
    prompts = (parse(recipe.prompt), parse(recipe.negative, composes=False))
    words = [levels[until].sigma for prompt in prompts for until in _ends(prompt, steps)]
    steers = [Steer(None, control.weight, control.start, control.end) for control in recipe.controls or ()]
    acting = [[steer.acts(step, steps) for steer in steers] for step in range(steps)]
    steered = [levels[step].sigma for step in range(1, steps) if acting[step] != acting[step - 1]]
    return (*bounds, *words, *steered)


def _ends(prompt: Prompt, steps: int) -> list[int]:
    """The steps at which the words of a prompt change."""
    return [until for part in prompt.parts for until, _ in part.chunk_timeline(steps)[:-1]]
