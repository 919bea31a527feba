"""Schedules that count in the model's own training timesteps, in the stretch of them that the span covers."""

from __future__ import annotations

import math

from aldente.engine.schedules.span import Sigmas, Span, counted, ramp


def uniform(span: Span, steps: int) -> Sigmas:
    """Even in timesteps, both ends included: 'uniform' in A1111, 'normal' in ComfyUI, 'linspace' in diffusers."""
    return counted(span, ramp(span.first, span.last, steps))


def sgm_uniform(span: Span, steps: int) -> Sigmas:
    """Even in timesteps, the last left out: a step ends at sigma 0 where ``uniform`` would still have sigma_min."""
    return counted(span, ramp(span.first, span.last, steps + 1)[:-1])


def simple(span: Span, steps: int) -> Sigmas:
    """Every (count / steps)th training level from the noisiest down, rounded up the table."""
    count = _count(span)
    back = [count * i / steps for i in range(steps)]
    return counted(span, [span.first - (math.floor(b) if steps <= count else b) for b in back])


def ddim_uniform(span: Span, steps: int) -> Sigmas:
    """Every (count // steps)th training level from the second-lowest up, 'leading' in diffusers [Song 2020].

    It starts below sigma_max, far below when the steps are few. Other programs return a level too many where the count is
    no multiple of the steps; this one returns the lowest ``steps`` of theirs.
    """
    count = _count(span)
    stride = count // steps if steps <= count else (count - 1) / (steps - 1)
    offset = min(1, max(count - 1 - stride * (steps - 1), 0))
    return counted(span, [span.last + offset + stride * i for i in reversed(range(steps))])


def trailing(span: Span, steps: int) -> Sigmas:
    """Every (count / steps)th training level from the noisiest down, to the nearest: 'trailing' in diffusers [Lin 2023]."""
    count = _count(span)
    ends = [count - count * i / steps for i in range(steps)]
    return counted(span, [span.first - (count - (round(e) if steps <= count else e)) for e in ends])


def turbo(span: Span, steps: int) -> Sigmas:
    """The first ``steps`` of timesteps 999, 899, ..., 99, on which turbo models were trained [Sauer 2023].

    More than ten steps spread evenly over the same stretch.
    """
    stride = _count(span) / max(steps, 10)
    return counted(span, [span.first - stride * i for i in range(steps)])


def _count(span: Span) -> int:
    """How many training levels the span covers."""
    return int(span.first - span.last + 1e-6) + 1
