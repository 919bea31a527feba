"""Schedules that were found by optimisation and are written down as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from aldente.engine.errors import UserError
from aldente.engine.schedules.span import Sigmas, Span, ramp

AYS_SD1 = (14.6146, 6.4746, 3.8637, 2.6946, 1.8842, 1.3944, 0.9643, 0.6524, 0.3977, 0.1515, 0.0292)
AYS_SDXL = (14.6146, 6.3184, 3.7682, 2.1811, 1.3405, 0.8621, 0.5551, 0.3799, 0.2332, 0.1114, 0.0292)


def resampled(sigmas: Sequence[float], count: int) -> tuple[float, ...]:
    """``count`` levels along positive ``sigmas``, linear in ln sigma over the position; the same number gives them back."""
    if count == len(sigmas):
        return tuple(sigmas)
    values = []
    for place in ramp(0.0, len(sigmas) - 1.0, count):
        below = min(int(place), len(sigmas) - 2)
        low, high = math.log(sigmas[below]), math.log(sigmas[below + 1])
        values.append(math.exp(low + (place - below) * (high - low)))
    return (sigmas[0], *values[1:])


def ays_sd1(span: Span, steps: int, *, appended: bool = False) -> Sigmas:
    """Align Your Steps for SD 1 and 2 [Sabour 2024]; ``appended`` as in ``ays_sdxl``."""
    return _aligned(AYS_SD1, span, steps, appended)


def ays_sdxl(span: Span, steps: int, *, appended: bool = False) -> Sigmas:
    """Align Your Steps for SDXL [Sabour 2024].

    The published last level is replaced by 0; ``appended`` keeps it and appends the 0, one level finer, as A1111 does.
    """
    return _aligned(AYS_SDXL, span, steps, appended)


def custom(span: Span, steps: int, *, sigmas: Sequence[float]) -> Sigmas:
    """The given levels, with or without their final 0; for another number of steps, levels between them.

    Raises UserError unless they are positive and strictly falling.
    """
    del span
    levels = tuple(float(s) for s in (sigmas[:-1] if len(sigmas) and sigmas[-1] == 0.0 else sigmas))
    falling = all(a > b for a, b in pairwise(levels))
    if not (levels and falling and levels[-1] > 0.0 and levels[0] < math.inf):
        raise UserError(f"custom sigmas must be positive and strictly falling, with a 0 only at the end; got {list(sigmas)}.")
    if len(levels) == 1 and steps > 1:
        raise UserError(f"one custom sigma makes 1 step, not {steps}; give at least two levels or ask for 1 step.")
    return (*resampled(levels, steps), 0.0)


def _aligned(table: tuple[float, ...], span: Span, steps: int, appended: bool) -> Sigmas:
    published = _stretched(table, span)
    return (*(resampled(published, steps) if appended else resampled(published, steps + 1)[:-1]), 0.0)


def _stretched(table: tuple[float, ...], span: Span) -> tuple[float, ...]:
    """The table, moved in ln sigma onto the span; left as published where the ends agree to the published digits."""
    low, high = math.log(span.sigma_min), math.log(span.sigma_max)
    first, last = math.log(table[0]), math.log(table[-1])
    if abs(high - first) < 2e-3 and abs(low - last) < 2e-3:
        return table
    return (span.sigma_max, *(math.exp(low + (math.log(s) - last) / (first - last) * (high - low)) for s in table[1:]))
