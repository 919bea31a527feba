"""The range of noise that a schedule spans, and the model's own table of noise levels that timesteps count in."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from aldente.engine.errors import UserError

Sigmas = tuple[float, ...]
"""Noise levels of a run: strictly decreasing, one more than there are steps, the last is 0."""


def scaled_linear_betas(first: float = 0.00085, last: float = 0.012, count: int = 1000) -> tuple[float, ...]:
    """The variances that latent diffusion adds per training timestep: linear in their square roots [Rombach 2022]."""
    low, high = math.sqrt(first), math.sqrt(last)
    return tuple((low + (high - low) * i / (count - 1)) ** 2 for i in range(count))


def training_sigmas(betas: Iterable[float]) -> tuple[float, ...]:
    """The variance-exploding noise level of each training timestep, ascending; infinite where nothing is left of the signal."""
    sigmas, kept = [], 1.0
    for beta in betas:
        kept *= 1.0 - beta
        sigmas.append(math.sqrt((1.0 - kept) / kept) if kept > 0.0 else math.inf)
    return tuple(sigmas)


STABLE_DIFFUSION = training_sigmas(scaled_linear_betas())
"""The noise levels of SD 1, SD 2 and SDXL, ascending: .0291672 to 14.6146."""


@lru_cache(maxsize=8)
def _rises(sigmas: tuple[float, ...]) -> bool:
    """Whether these are positive numbers in rising order, two at least; asked again and again of the same few tables."""
    return len(sigmas) >= 2 and sigmas[0] > 0.0 and all(a < b for a, b in pairwise(sigmas))


@dataclass(frozen=True, kw_only=True)
class Span:
    """The noise levels between which a schedule runs; ``sigmas`` are the model's training levels, ascending.

    Raises UserError unless 0 < sigma_min < sigma_max and ``sigmas`` rises.
    """

    sigma_min: float = STABLE_DIFFUSION[0]
    sigma_max: float = STABLE_DIFFUSION[-1]
    sigmas: tuple[float, ...] = STABLE_DIFFUSION

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma_min < self.sigma_max < math.inf:
            raise UserError(
                f"sigma_min {self.sigma_min:g} to sigma_max {self.sigma_max:g} is no span; choose 0 < sigma_min < sigma_max."
            )
        if not _rises(self.sigmas):
            raise UserError("the training sigmas must be at least two positive numbers in rising order; sort them.")

    def sigma(self, timestep: float) -> float:
        """The noise level at a fractional timestep, linear in ln sigma between training levels and beyond their ends."""
        below = min(max(math.floor(timestep), 0), len(self.sigmas) - 2)
        share = timestep - below
        if share in (0.0, 1.0):
            return self.sigmas[below + int(share)]
        low, high = math.log(self.sigmas[below]), math.log(self.sigmas[below + 1])
        return math.exp(low + share * (high - low))

    def timestep(self, sigma: float) -> float:
        """The fractional timestep of a noise level: the inverse of ``sigma``."""
        below = min(max(bisect_right(self.sigmas, sigma) - 1, 0), len(self.sigmas) - 2)
        low, high = math.log(self.sigmas[below]), math.log(self.sigmas[below + 1])
        return below + (math.log(sigma) - low) / (high - low)

    @property
    def first(self) -> float:
        """The timestep of ``sigma_max``, where a run begins."""
        return self.timestep(self.sigma_max)

    @property
    def last(self) -> float:
        """The timestep of ``sigma_min``, the last before the clean picture."""
        return self.timestep(self.sigma_min)


def ramp(start: float, stop: float, count: int) -> list[float]:
    """``count`` numbers spread evenly from ``start`` to ``stop``, both ends exact; a single one is ``start``."""
    inner = [start + (stop - start) * i / (count - 1) for i in range(1, count - 1)]
    return [start, *inner, stop] if count > 1 else [start]


def counted(span: Span, timesteps: Sequence[float]) -> Sigmas:
    """The levels at falling ``timesteps`` and the final 0; the ends of the span are met exactly."""
    ends = {span.last: span.sigma_min, span.first: span.sigma_max}
    return (*(ends[t] if t in ends else span.sigma(t) for t in timesteps), 0.0)
