"""What is set and would change nothing is refused: no picture may claim a setting that it does not show."""

from __future__ import annotations

from aldente.engine.errors import UserError
from aldente.engine.samplers import SamplerInfo
from aldente.models.port import ModelInfo
from aldente.recipe.recipe import Recipe, Sampling
from aldente.recipe.stages import Base, Source


def refuse_idle(recipe: Recipe, info: ModelInfo) -> None:
    """Raise UserError where a parameter is set that cannot have an effect beside the others."""
    if recipe.clip_skip not in (None, 1):
        raise UserError(f"clip_skip is {recipe.clip_skip}, but model '{info.name}' is read at its last layer only; unset it.")
    _refuse_half_variation(recipe.start)


def _refuse_half_variation(base: Base | Source) -> None:
    if (base.variation_seed is None) != (base.variation_strength is None):
        given, missing = ("variation_seed", "variation_strength")[:: 1 if base.variation_strength is None else -1]
        raise UserError(f"{given} is set without {missing}, so it changes nothing; set both or none.")


def refuse_idle_noise(sampling: Sampling, sampler: SamplerInfo) -> None:
    """Raise UserError where noise is bounded or scaled that the sampler does not add."""
    for name in ("s_tmin", "s_tmax"):
        if getattr(sampling, name) is not None and not sampling.s_churn:
            raise UserError(f"{name} bounds the churn, but s_churn is not set; set it, or unset {name}.")
    if sampling.s_noise is None:
        return
    makes = "s_churn" if sampler.churns else "eta"
    noisy = sampling.s_churn if sampler.churns else sampling.eta if sampling.eta is not None else sampler.stochastic
    if not noisy:
        raise UserError(f"s_noise scales noise, but sampler '{sampler.name}' adds none so; set {makes}, or unset s_noise.")
