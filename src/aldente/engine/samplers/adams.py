"""Multistep methods in the predicted noise: Adams-Bashforth in sigma (LMS, iPNDM) and in ln sigma (DEIS)."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, isfinite
from typing import NamedTuple

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import log_snr
from aldente.engine.samplers.exponential import blend, phis, weights
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import slope, transfer

EQUAL_STEPS = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Adams-Bashforth weights for equal steps, newest first [Zhang 2023]."""


class Past(NamedTuple):
    """A slope (or predicted noise) and the place ``at``, in the method's own coordinate, where it was taken."""

    at: float
    value: Latent


def require_order(sampler: str, order: int, highest: int) -> None:
    """Raise UserError unless ``order`` is between 1 and ``highest``."""
    if not 1 <= order <= highest:
        raise UserError(f"sampler '{sampler}': order {order} is not possible; choose one from 1 to {highest}.")


@dataclass(frozen=True, kw_only=True)
class LMS:
    """The polynomial through the last ``order`` slopes, integrated exactly over the step [Crowson 2022]."""

    order: int = 4

    def __post_init__(self) -> None:
        require_order("lms", self.order, 4)

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: tuple[Past, ...] | None, noise: StepNoise
    ) -> Asking[tuple[Latent, tuple[Past, ...]]]:
        """One evaluation; the last slopes are remembered, newest first."""
        clean, _ = yield from denoise(x, move.level)
        here = move.level.sigma
        past = (Past(here, slope(x, move.level, clean)), *(memory or ()))[: self.order]
        width = move.target.sigma - here
        moments = [1.0 / (k + 1) for k in range(len(past))]
        weight = weights([(p.at - here) / width for p in past], moments)
        return x + width * blend(weight, [p.value for p in past]), past


@dataclass(frozen=True, kw_only=True)
class IPNDM:
    """Adams-Bashforth with the weights of equal steps, whatever the steps are [Zhang 2023].

    On unequal steps only the first correction term survives in part, so the order is 2 at best.
    """

    order: int = 4

    def __post_init__(self) -> None:
        require_order("ipndm", self.order, 4)

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: tuple[Latent, ...] | None, noise: StepNoise
    ) -> Asking[tuple[Latent, tuple[Latent, ...]]]:
        """One evaluation; the last slopes are remembered, newest first."""
        clean, _ = yield from denoise(x, move.level)
        past = (slope(x, move.level, clean), *(memory or ()))[: self.order]
        width = move.target.sigma - move.level.sigma
        return x + width * blend(EQUAL_STEPS[len(past) - 1], past), past


@dataclass(frozen=True, kw_only=True)
class DEIS:
    """The predicted noise as a polynomial in ln(sigma / alpha), integrated exactly [Zhang 2023]."""

    order: int = 3

    def __post_init__(self) -> None:
        require_order("deis", self.order, 4)

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: tuple[Past, ...] | None, noise: StepNoise
    ) -> Asking[tuple[Latent, tuple[Past, ...]]]:
        """One evaluation; the last noise predictions are remembered, newest first."""
        level, target = move.level, move.target
        clean, _ = yield from denoise(x, level)
        here = log_snr(level)
        if not isfinite(here):
            return transfer(x, level, target, clean), ()
        past = (Past(here, (x - level.alpha * clean) * (1.0 / level.sigma)), *(memory or ()))[: self.order]
        width = log_snr(target) - here
        moments = [-width * target.sigma * factorial(k) * value for k, value in enumerate(phis(len(past), width)[1:])]
        weight = weights([(p.at - here) / width for p in past], moments)
        return (target.alpha / level.alpha) * x + blend(weight, [p.value for p in past]), past
