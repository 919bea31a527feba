"""How much of a picture is drawn anew: the levels that a strength leaves of a schedule, by our rule or another program's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from aldente.engine.errors import UserError
from aldente.engine.levels import Level, exploding_levels, flow_levels
from aldente.models.port import ModelInfo
from aldente.recipe.recipe import Sampling
from aldente.recipe.stages import Rule
from aldente.render.levels import levels_of

_NEARLY_ALL = 0.999
"""The strength above which A1111 counts no further."""


class Share(NamedTuple):
    """What a strength leaves of a schedule: its last ``steps`` out of ``total``; ``span`` is how far they reach, in steps.

    ``span`` is less than ``steps`` under our own rule only, which begins between two levels.
    """

    total: int
    steps: int
    span: float


def share_of(strength: float, steps: int, rule: Rule) -> Share:
    """The part of a schedule that a strength above 0 runs; the number of steps is that of the recipe.

    ``sigma`` (ours) begins exactly at that share of the schedule, however many whole steps that is, and takes the share of
    the steps, rounded up. The others truncate as the programs they are named for do. Raises UserError where nothing is left.
    """
    if rule == "sigma":
        span = strength * steps
        return Share(steps, max(1, math.ceil(span - 1e-9)), span)
    if rule == "a1111":
        kept = int(min(strength, _NEARLY_ALL) * steps) + 1
        return Share(steps, kept, kept)
    if rule == "a1111_exact":
        return Share(int(steps / min(strength, _NEARLY_ALL)), steps, steps)
    if rule == "comfyui":
        return Share(steps if strength > 0.9999 else int(steps / strength), steps, steps)
    kept = min(int(steps * strength), steps)
    if not kept:
        raise UserError(
            f"a strength of {strength:g} leaves none of {steps} steps under the rule 'diffusers'; raise the strength or the"
            f" steps, or use the rule 'sigma'."
        )
    return Share(steps, kept, kept)


def levels_from(
    sampling: Sampling, info: ModelInfo, strength: float, rule: Rule, size: tuple[int, int] | None = None
) -> tuple[Level, ...]:
    """The levels of a pass that draws ``strength`` (above 0) of a picture anew, ending at sigma 0.

    ``size`` is as in ``levels_of``.
    Raises UserError as ``levels_of`` and ``share_of`` do.
    """
    share = share_of(strength, sampling.steps, rule)
    levels = levels_of(sampling.model_copy(update={"steps": share.total}), info, size)
    if share.span == share.steps:
        return levels[-share.steps - 1 :]
    first = share.total - share.span
    places = [first + share.span * index / share.steps for index in range(share.steps)]
    sigmas = [*(_sigma_at(levels, place) for place in places), 0.0]
    return flow_levels(sigmas) if info.family == "flow" else exploding_levels(sigmas)


def _sigma_at(levels: Sequence[Level], place: float) -> float:
    """The noise between two levels of a schedule: even in ln sigma, and in sigma where the next is 0."""
    below = min(math.floor(place), len(levels) - 2)
    part = place - below
    high, low = levels[below].sigma, levels[below + 1].sigma
    return high * (1.0 - part) if low == 0.0 else high ** (1.0 - part) * low**part
