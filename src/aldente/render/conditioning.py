"""From the words of a recipe to the denoiser that draws them."""

from __future__ import annotations

from collections.abc import Sequence

from aldente.engine.conditioning import composed, switched
from aldente.engine.denoise import Denoiser, conditional
from aldente.engine.errors import UserError
from aldente.engine.guidance import apg, cfg, guided, interval, rescaled, thresholded
from aldente.engine.levels import Level
from aldente.models.port import Model
from aldente.recipe.prompt import Part, parse
from aldente.recipe.recipe import Guidance, Recipe


def denoiser_of(recipe: Recipe, model: Model, levels: Sequence[Level]) -> Denoiser:
    """The guided denoiser of a recipe along ``levels``.

    Raises UserError where the prompt names a LoRA that the model cannot take.
    """
    prompt, negative = parse(recipe.prompt), parse(recipe.negative, composes=False)
    for lora in (*prompt.loras, *negative.loras):
        raise UserError(f"the prompt names the LoRA '{lora.name}', but model '{recipe.model}' takes none; remove it.")
    parts = [(part.weight, _part(part, model, levels)) for part in prompt.parts]
    unconditional = _part(negative.parts[0], model, levels)
    conditioned = parts[0][1] if len(parts) == 1 else composed(parts, unconditional)
    return _guided(recipe.sampling.guidance, conditioned, unconditional)


def _part(part: Part, model: Model, levels: Sequence[Level]) -> Denoiser:
    """The denoiser of one prompt; where its words change with the steps, so does the condition."""
    steps = len(levels) - 1
    timeline = [(until, conditional(model.encode(words))) for until, words in part.timeline(steps)]
    if len(timeline) == 1:
        return timeline[0][1]
    return switched([(levels[until].sigma, denoise) for until, denoise in timeline])


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
