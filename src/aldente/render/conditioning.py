"""From the words and the control pictures of a recipe to the denoiser that draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from aldente.engine.conditioning import composed, step_of, switched
from aldente.engine.denoise import Asking, Condition, Denoiser, Estimate, Latent, Query, conditional
from aldente.engine.errors import UserError
from aldente.engine.guidance import apg, cfg, guided, interval, rescaled, thresholded
from aldente.engine.levels import Level
from aldente.models.port import Adaptable, Model, Worded, Words
from aldente.recipe.prompt import Emphasis, Lora, Part, joined, parse
from aldente.recipe.recipe import Guidance, Recipe
from aldente.render.controls import Steer, steerable


def denoiser_of(recipe: Recipe, model: Model, levels: Sequence[Level], steers: Sequence[Steer] = ()) -> Denoiser:
    """The guided denoiser of a recipe along ``levels``; ``steers`` act on the prompt, and on the negative prompt as they say.

    Raises UserError where the prompt names a LoRA that the model cannot take.
    """
    prompt, negative = parse(recipe.prompt), parse(recipe.negative, composes=False)
    loras = (*prompt.loras, *negative.loras)
    if loras and not model.info.takes_loras:
        raise UserError(f"the prompt names the LoRA '{loras[0].name}', but model '{recipe.model}' takes none; remove it.")
    # As in A1111, a LoRA changes the model, for all prompts alike.
    positive, opposite = (partial(_encoded, recipe, model, loras, negative=opposes) for opposes in (False, True))
    parts = [(part.weight, _part(part, positive, model, levels, steers)) for part in prompt.parts]
    both = [steer for steer in steers if steer.both]
    unconditional = _part(negative.parts[0], opposite, model, levels, both)
    conditioned = parts[0][1] if len(parts) == 1 else composed(parts, unconditional)
    return _guided(recipe.sampling.guidance, conditioned, unconditional)


def _encoded(
    recipe: Recipe, model: Model, loras: tuple[Lora, ...], chunks: tuple[Emphasis, ...], *, negative: bool
) -> Condition:
    """The condition for a text, with all that the recipe says of how it is read where the model can be told."""
    if not model.info.worded:
        plain = model.encode(joined(chunks))
        return cast("Adaptable", model).with_loras(plain, loras) if loras else plain
    words = Words(
        chunks=chunks,
        negative=negative,
        clip_skip=recipe.clip_skip,
        emphasis=recipe.emphasis or "original",
        distilled=recipe.sampling.guidance.distilled,
        loras=loras,
        merging=recipe.token_merging or 0.0,
    )
    return cast("Worded", model).read(words)


def _part(
    part: Part,
    encode: Callable[[tuple[Emphasis, ...]], Condition],
    model: Model,
    levels: Sequence[Level],
    steers: Sequence[Steer],
) -> Denoiser:
    """The denoiser of one prompt; where its words change with the steps, so does the condition."""
    steps = len(levels) - 1
    timeline = [(until, _steered(encode(words), model, levels, steers)) for until, words in part.chunk_timeline(steps)]
    if len(timeline) == 1:
        return timeline[0][1]
    return switched([(levels[until].sigma, denoise) for until, denoise in timeline])


def _steered(condition: Condition, model: Model, levels: Sequence[Level], steers: Sequence[Steer]) -> Denoiser:
    """The denoiser of a condition with the hints that act at each step."""
    if not steers:
        return conditional(condition)
    steps = len(levels) - 1
    acting = [tuple((s.hint, s.weight) for s in steers if s.acts(step, steps)) for step in range(steps)]
    hinted = {hints: steerable(model).hinted(condition, hints) if hints else condition for hints in dict.fromkeys(acting)}
    conditions = [hinted[hints] for hints in acting]

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        (clean,) = yield [Query(x, level, conditions[step_of(levels, level.sigma)])]
        return Estimate(clean, clean)

    return denoise


def _guided(guidance: Guidance, conditioned: Denoiser, unconditional: Denoiser) -> Denoiser:
    combine = cfg(guidance.scale) if guidance.apg is None else apg(guidance.scale, eta=guidance.apg)
    if guidance.rescale:
        combine = rescaled(combine, guidance.rescale)
    if guidance.threshold is not None:
        combine = thresholded(combine, guidance.threshold)
    steered = guided(combine, conditioned, unconditional)
    if guidance.low is None and guidance.high is None:
        return steered
    return interval(steered, conditioned, guidance.low or 0.0, float("inf") if guidance.high is None else guidance.high)
