"""Schedules of rectified-flow models, whose noise levels run from 1 to 0."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aldente.engine.schedules.span import Sigmas, Span


def shift(sigmas: Iterable[float], factor: float) -> tuple[float, ...]:
    """Flow levels moved towards noise, for pictures larger than a model's base size [Esser 2024, Eq. 23].

    Two shifts in a row are one shift by the product of their factors: never shift what is shifted already.
    """
    return tuple(factor * s / (1.0 + (factor - 1.0) * s) for s in sigmas)


def flux_mu(tokens: float) -> float:
    """The logarithm of FLUX's shift for a latent of ``tokens`` patches: .5 at 256, 1.15 at 4096, linear between and beyond."""
    return 0.5 + (1.15 - 0.5) * (tokens - 256.0) / (4096.0 - 256.0)


def flow(span: Span, steps: int, *, shift: float = 1.0) -> Sigmas:
    """Even in sigma from sigma_max to sigma_max / steps, then shifted; SD3 uses a shift of 3."""
    return _even(span, steps, shift)


def flow_dynamic(span: Span, steps: int, *, tokens: float = 4096.0) -> Sigmas:
    """``flow`` with FLUX's shift for a latent of ``tokens`` patches (1024 x 1024 px are 4096)."""
    return _even(span, steps, math.exp(flux_mu(tokens)))


def _even(span: Span, steps: int, factor: float) -> Sigmas:
    shares = shift((1.0 - i / steps for i in range(steps)), factor)
    return (*(span.sigma_max * share for share in shares), 0.0)
