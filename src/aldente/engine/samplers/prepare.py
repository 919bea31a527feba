"""What a run needs besides its levels: the sampler, the lift, and the levels as a sampler of whole runs wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aldente.engine.churn import Churn
from aldente.engine.levels import Level
from aldente.engine.samplers.info import CHURN, SamplerInfo
from aldente.engine.trajectory import Lift, Sampler, StepNoise


class Prepared(NamedTuple):
    """The arguments of ``trajectory`` that depend on the choice of the sampler."""

    sampler: Sampler
    levels: tuple[Level, ...]
    lift: Lift | None


def collapse(levels: Sequence[Level]) -> tuple[Level, ...]:
    """The levels of a sampler of whole runs: the first, the last positive one, and 0 if they end there."""
    positive = [level for level in levels if level.sigma > 0.0]
    return (*positive[:1], *positive[1:][-1:], *levels[len(positive) :])


def prepare(info: SamplerInfo, levels: Sequence[Level], churn_noise: StepNoise, options: Mapping[str, Any]) -> Prepared:
    """The run of ``info`` along ``levels`` under ``options``; raises UserError as ``SamplerInfo.build`` does.

    DPM fast is given as many evaluations as ``levels`` has steps, the last denoising included.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "calls" in info.own_options and "calls" not in given:
        given["calls"] = max(1, sum(level.sigma > 0.0 for level in levels) - 1)
    sampler = info.build(**given)
    churn = {name: given[name] for name in CHURN if name in given}
    lift = Churn(noise=churn_noise, **churn) if info.churns and churn.get("s_churn") else None
    return Prepared(sampler, collapse(levels) if info.whole else tuple(levels), lift)
