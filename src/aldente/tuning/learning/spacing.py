"""The places of a schedule in ln sigma, kept falling with a least gap between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float64]
"""ln sigma of every level that may move: all but the first and the final 0."""

DIGITS = 6
"""Significant digits of a learned level: more would claim what no rounding of a model lets one see."""


@dataclass(frozen=True, kw_only=True)
class Spacing:
    """Schedules of ``steps`` levels from ``sigma_max`` down to ``sigma_min`` or above it, then 0.

    Both ends of a run are fixed: sigma_max, where the noise starts, and 0. The last level above 0 may lie anywhere above
    sigma_min, as it does in schedules that waste no step there. ``least`` is the smallest gap in ln sigma, as a share of
    an even one.
    """

    sigma_max: float
    sigma_min: float
    steps: int
    least: float = 0.1

    @property
    def gap(self) -> float:
        """The least gap in ln sigma."""
        return self.least * math.log(self.sigma_max / self.sigma_min) / self.steps

    def places(self, sigmas: Sequence[float]) -> Places:
        """The places of a schedule, moved no further than the limits ask."""
        return self.allowed(np.log([sigma for sigma in sigmas if sigma > 0.0][1 : self.steps]))

    def allowed(self, places: Places) -> Places:
        """The nearest places that fall by the least gap and end at sigma_min or above."""
        kept = np.array(places, dtype=np.float64)
        above = math.log(self.sigma_max)
        for index in range(len(kept)):
            kept[index] = min(kept[index], above - self.gap)
            above = kept[index]
        below = math.log(self.sigma_min) - self.gap
        for index in reversed(range(len(kept))):
            kept[index] = max(kept[index], below + self.gap)
            below = kept[index]
        return kept

    def sigmas(self, places: Places) -> tuple[float, ...]:
        """The levels at places, without the final 0, in six digits."""
        return (self.sigma_max, *(float(f"{math.exp(place):.{DIGITS}g}") for place in places))
