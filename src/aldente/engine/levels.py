"""A noise level is a pair: x = alpha * x0 + sigma * noise. Variance-exploding and rectified-flow models are one family."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Level(NamedTuple):
    """How much of the picture (``alpha``) and how much unit noise (``sigma``) a latent holds."""

    alpha: float
    sigma: float


def exploding(sigma: float) -> Level:
    """The variance-exploding level of k-diffusion and of every Stable Diffusion UI: alpha is 1 [Karras 2022, Table 1]."""
    return Level(1.0, sigma)


def flow(sigma: float) -> Level:
    """The rectified-flow level of SD3 and FLUX: alpha is 1 - sigma [Esser 2024, Eq. 13]."""
    return Level(1.0 - sigma, sigma)


def preserving(ratio: float) -> Level:
    """The variance-preserving level whose sigma / alpha is ``ratio``; alpha^2 + sigma^2 = 1 [Song 2021, Eq. 11]."""
    scale = math.hypot(1.0, ratio)
    return Level(1.0 / scale, ratio / scale)


def log_snr(level: Level) -> float:
    """ln(alpha / sigma), called lambda: the coordinate in which the DPM-Solver family steps [Lu 2022, Sec. 3.1].

    Minus infinity where alpha is 0 (the first flow level), plus infinity where sigma is 0.
    """
    if level.sigma == 0.0:
        return math.inf
    if level.alpha == 0.0:
        return -math.inf
    return math.log(level.alpha / level.sigma)


def with_sigma(like: Level, sigma: float) -> Level:
    """The level of the family of ``like`` (exploding or flow) that holds ``sigma`` noise."""
    return exploding(sigma) if like.alpha == 1.0 else flow(sigma)


def with_log_snr(like: Level, value: float) -> Level:
    """The level of the family of ``like`` whose log signal-to-noise ratio is ``value``."""
    return exploding(math.exp(-value)) if like.alpha == 1.0 else flow(1.0 / (1.0 + math.exp(value)))


def exploding_levels(sigmas: Iterable[float]) -> tuple[Level, ...]:
    """The exploding level of each sigma."""
    return tuple(exploding(float(sigma)) for sigma in sigmas)


def flow_levels(sigmas: Iterable[float]) -> tuple[Level, ...]:
    """The flow level of each sigma."""
    return tuple(flow(float(sigma)) for sigma in sigmas)
