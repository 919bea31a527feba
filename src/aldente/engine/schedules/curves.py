"""Schedules drawn as a curve between the two ends of the span."""

from __future__ import annotations

import math
from collections.abc import Callable

from aldente.engine.schedules.span import Sigmas, Span, ramp


def curved(span: Span, steps: int, curve: Callable[[float], float]) -> Sigmas:
    """The levels ``curve(r)`` for r even from 0 to 1, the ends of the span met exactly, and the final 0."""
    inner = [curve(r) for r in ramp(0.0, 1.0, steps)[1:-1]]
    return (span.sigma_max, *inner, span.sigma_min, 0.0) if steps > 1 else (span.sigma_max, 0.0)


def karras(span: Span, steps: int, *, rho: float = 7.0) -> Sigmas:
    """Even in sigma^(1/rho): the larger ``rho``, the more steps at little noise [Karras 2022, Eq. 5]."""
    low, high = span.sigma_min ** (1.0 / rho), span.sigma_max ** (1.0 / rho)
    return curved(span, steps, lambda r: (high + r * (low - high)) ** rho)


def exponential(span: Span, steps: int) -> Sigmas:
    """Even in ln sigma: each step takes away the same share of the noise."""
    return polyexponential(span, steps, rho=1.0)


def polyexponential(span: Span, steps: int, *, rho: float = 1.0) -> Sigmas:
    """A power of an even ramp in ln sigma; ``rho`` above 1 leaves fewer steps at much noise."""
    low, high = math.log(span.sigma_min), math.log(span.sigma_max)
    return curved(span, steps, lambda r: math.exp(low + (1.0 - r) ** rho * (high - low)))


def kl_optimal(span: Span, steps: int) -> Sigmas:
    """Even in atan sigma, which bounds the divergence that each step adds [Sabour 2024]."""
    low, high = math.atan(span.sigma_min), math.atan(span.sigma_max)
    return curved(span, steps, lambda r: math.tan(r * low + (1.0 - r) * high))


def linear_quadratic(span: Span, steps: int, *, threshold: float = 0.025) -> Sigmas:
    """Linear until ``threshold`` of sigma_max is gone at half the steps, then quadratic to 0 [Polyak 2024].

    Made for flow models: the last level before 0 follows from the number of steps, not from sigma_min.
    """
    if steps == 1:
        return (span.sigma_max, 0.0)
    even = steps // 2
    slope = threshold / even
    bend = (1.0 - slope * steps) / (steps - even) ** 2
    gone = [slope * i + bend * max(i - even, 0) ** 2 for i in range(steps)]
    return (*(span.sigma_max * (1.0 - share) for share in gone), 0.0)


def vp(span: Span, steps: int, *, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 1e-3) -> Sigmas:
    """Even in the time of the variance-preserving SDE [Song 2021].

    Its ends follow from its own constants (152 to .01), whatever the span, as in k-diffusion.
    """
    del span
    return (*(math.sqrt(math.expm1(0.5 * beta_d * t * t + beta_min * t)) for t in ramp(1.0, eps_s, steps)), 0.0)
