"""The extended reverse-time SDE solver of order three."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import Level
from aldente.engine.samplers.adams import require_order
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import transfer

POINTS, SHARES = (tuple(map(float, part)) for part in np.polynomial.legendre.leggauss(16))


class Estimated(NamedTuple):
    """An estimate, the ratio sigma / alpha it was made at, and its divided difference to the one before."""

    ratio: float
    clean: Latent
    change: Latent | None


def _log_scale(ratio: float) -> float:
    """Log of the noise scale l (e^(l^0.3) + 10), without overflow [Cui 2023]."""
    power = math.pow(ratio, 0.3)
    return math.log(ratio) + power + math.log1p(10.0 * math.exp(-power))


def _integrals(low: float, high: float) -> tuple[float, float]:
    """The integrals over l in [low, high] of scale(low) / scale(l) and of that times (l - high).

    By Gauss-Legendre in ln l: the usual Riemann sum of 200 points stops the error from falling with the steps.
    """
    half = 0.5 * math.log(high / low)
    plain = tilted = 0.0
    for point, share in zip(POINTS, SHARES, strict=True):
        ratio = low * math.exp(half * (1.0 + point))
        value = half * share * ratio * math.exp(_log_scale(low) - _log_scale(ratio))
        plain += value
        tilted += value * (ratio - high)
    return plain, tilted


@dataclass(frozen=True, kw_only=True)
class ERSDE:
    """A reverse SDE with the noise scale l (e^(l^0.3) + 10), l = sigma / alpha, in up to three stages [Cui 2023]."""

    order: int = 3
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        require_order("er_sde", self.order, 3)

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: tuple[Estimated, ...] | None, noise: StepNoise
    ) -> Asking[tuple[Latent, tuple[Estimated, ...]]]:
        """One evaluation; the last two estimates are remembered, newest first."""
        level, target = move.level, move.target
        clean, _ = yield from denoise(x, level)
        if level.alpha == 0.0:
            return self._renew(clean, move, noise), ()
        past = memory or ()
        high, low = level.sigma / level.alpha, target.sigma / target.alpha
        shrink = math.exp(_log_scale(low) - _log_scale(high))
        change = (clean - past[0].clean) * (1.0 / (high - past[0].ratio)) if past and self.order > 1 else None
        kept = Level(target.alpha, target.alpha * shrink * high)
        x = transfer(x, level, kept, clean)
        if change is not None:
            width = low - high
            plain, tilted = _integrals(low, high)
            x = x + (target.alpha * (width + plain)) * change
            if len(past) == 2 and past[0].change is not None and self.order > 2:
                bend = (change - past[0].change) * (2.0 / (high - past[1].ratio))
                x = x + (target.alpha * (0.5 * width * width + tilted)) * bend
        amount = self.s_noise * math.sqrt(max(0.0, target.sigma**2 - kept.sigma**2))
        x = x + amount * noise(level.sigma, target.sigma) if amount else x
        return x, (Estimated(high, clean, change), *past)[:2]

    def _renew(self, clean: Latent, move: Move, noise: StepNoise) -> Latent:
        """The step's limit from alpha 0, where the latent knows nothing of the picture."""
        x = move.target.alpha * clean
        amount = self.s_noise * move.target.sigma
        return x + amount * noise(move.level.sigma, move.target.sigma) if amount else x
