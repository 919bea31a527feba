"""The run of a recipe's sampling."""

from __future__ import annotations

from collections.abc import Sequence

from aldente.engine.levels import Level
from aldente.engine.samplers import find_sampler, prepare
from aldente.engine.samplers.prepare import Prepared
from aldente.engine.trajectory import StepNoise
from aldente.recipe.recipe import Sampling

SAMPLER_OPTIONS = ("eta", "s_noise", "s_churn", "s_tmin", "s_tmax", "rtol")


def prepared(sampling: Sampling, levels: Sequence[Level], churn: StepNoise) -> Prepared:
    """The sampler with its options, the levels as it wants them, and the churn; raises UserError as ``prepare`` does."""
    options = {name: getattr(sampling, name) for name in SAMPLER_OPTIONS}
    return prepare(find_sampler(sampling.sampler), levels, churn, options)
