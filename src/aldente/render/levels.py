"""The levels that a recipe's sampling runs along, for a model's own range of noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aldente.engine.errors import UserError
from aldente.engine.levels import Level, exploding_levels, flow_levels
from aldente.engine.samplers import SamplerInfo, find_sampler
from aldente.engine.schedules.amend import discard_next_to_last
from aldente.engine.schedules.flow import flux_mu
from aldente.engine.schedules.span import Span
from aldente.engine.schedules.table import ScheduleInfo, build_schedule, find_schedule
from aldente.models.port import ModelInfo
from aldente.recipe.recipe import Sampling
from aldente.recipe.sigmas import parse_sigmas

SCHEDULE_OPTIONS = ("rho", "shift", "sigmas")
"""The parameters that are options of some schedules; what a schedule does not honour must not be set."""

_LOOKED_AT = 8
"""Steps enough for a schedule to show what it depends on."""


def levels_of(sampling: Sampling, info: ModelInfo, size: tuple[int, int] | None = None) -> tuple[Level, ...]:
    """The levels of a run: the schedule over the model's span, ending at sigma 0.

    ``size`` is that of the picture that is drawn, in px; None is the model's own.
    Raises UserError where an option or an end is set that the sampler and schedule do not honour.
    """
    sampler, schedule = find_sampler(sampling.sampler), find_schedule(sampling.schedule)
    span = Span(
        sigma_min=info.sigma_min if sampling.sigma_min is None else sampling.sigma_min,
        sigma_max=info.sigma_max if sampling.sigma_max is None else sampling.sigma_max,
        sigmas=info.sigmas,
    )
    options = _options(sampling, sampler, schedule) | _own_shift(sampling, schedule, info, size or info.native[0])
    if "sigmas" in options and info.family == "flow" and options["sigmas"][0] > 1.0:
        raise UserError(f"sigmas begin at {options['sigmas'][0]:g}, but the noise of model '{info.name}' ends at 1.")
    _refuse_idle_ends(sampling, schedule, span, options)
    discard = _discards(sampling, sampler)
    sigmas = build_schedule(schedule.name, sampling.steps + int(discard), span, options)
    if discard:
        sigmas = discard_next_to_last(sigmas)
    return flow_levels(sigmas) if info.family == "flow" else exploding_levels(sigmas)


def _discards(sampling: Sampling, sampler: SamplerInfo) -> bool:
    # Levels that are written out are meant as they are.
    usual = sampler.discard_next_to_last and sampling.sigmas is None
    return usual if sampling.discard_next_to_last is None else sampling.discard_next_to_last


def _options(sampling: Sampling, sampler: SamplerInfo, schedule: ScheduleInfo) -> dict[str, Any]:
    given = {name: value for name in SCHEDULE_OPTIONS if (value := getattr(sampling, name)) is not None}
    if "sigmas" in given:
        given["sigmas"] = parse_sigmas(given["sigmas"])
    for name in given:
        if name not in schedule.options:
            raise UserError(f"{name} is set, but schedule '{schedule.name}' has no such option; unset it.")
        if sampler.whole:
            raise UserError(f"{name} is set, but sampler '{sampler.name}' spaces its levels itself; unset it.")
    return given


def _own_shift(sampling: Sampling, schedule: ScheduleInfo, info: ModelInfo, size: tuple[int, int]) -> dict[str, float]:
    """The shift of a flow model, where the schedule has one and none is set."""
    tokens = size[0] * size[1] / (2 * info.latent_scale) ** 2
    if info.family != "flow" or sampling.shift is not None:
        return {}
    if "tokens" in schedule.options:
        return {"tokens": tokens}
    if "shift" not in schedule.options:
        return {}
    return {"shift": math.exp(flux_mu(tokens)) if info.shift_by_size else info.shift}


def _refuse_idle_ends(sampling: Sampling, schedule: ScheduleInfo, span: Span, options: Mapping[str, Any]) -> None:
    """Raise UserError where an end is set that the schedule does not look at: moving it moves no level."""
    middle = math.sqrt(span.sigma_min * span.sigma_max)
    for name, moved in (("sigma_min", replace(span, sigma_min=middle)), ("sigma_max", replace(span, sigma_max=middle))):
        if getattr(sampling, name) is None:
            continue
        if len({build_schedule(schedule.name, _LOOKED_AT, either, options) for either in (span, moved)}) == 1:
            raise UserError(f"{name} is set, but schedule '{schedule.name}' has ends of its own; unset it.")
