"""Bounds that hold however long one looks: confidence sequences for the mean of bounded losses, by betting.

A gambler bets, value by value, that the mean is below ``m``. Were it ``m`` or more, no strategy could expect to win, and the
probability that her capital ever reaches 1/alpha is at most alpha [Ville 1939]. The means that are refuted so at any time lie
outside of the sequence: it may be looked at after every value, and sampling may stop whenever one likes. Capital is split
over fixed stakes, and over both directions: the hedged grid Kelly of [Waudby-Smith 2024, Sec. 4 and B].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aldente.quality.bounds import Bounds
from aldente.tuning.result import Verdict

Floats = NDArray[np.float64]

STAKES: tuple[tuple[float, float], ...] = ((0.95, 1 / 2), (0.6, 1 / 6), (0.3, 1 / 6), (0.1, 1 / 6))
"""Stakes as shares of the most that can be lost, with the share of the capital on each.

Half of it is on the boldest: losses far below the tolerance are the usual case, and there it decides earliest.
"""

_HALVINGS = 45


def log_capital(values: Floats, mean: float) -> Floats:
    """Logarithm of the capital, from 1, after each value of a gambler who bets that their mean is below ``mean``.

    ``values`` are within 0..1 and run along the last axis; ``mean`` is below 1. Under any true mean of at least ``mean`` the
    capital is a supermartingale.
    """
    gain = (1.0 - values) / (1.0 - mean) - 1.0
    logs = [math.log(share) + np.cumsum(np.log1p(stake * gain), axis=-1) for stake, share in STAKES]
    total: Floats = np.logaddexp.reduce(logs, axis=0)
    return total


def refuted(values: Floats, mean: float, alpha: float) -> NDArray[np.bool_]:
    """Whether, after each value, a mean of ``mean`` or more has been refuted by then; ever wrongly with at most ``alpha``."""
    reached: NDArray[np.bool_] = np.maximum.accumulate(log_capital(values, mean), axis=-1) >= math.log(1.0 / alpha)
    return reached


def sequence_bounds(values: Sequence[float], *, floor: float, ceiling: float, alpha_low: float, alpha_high: float) -> Bounds:
    """The mean of values within ``floor`` and ``ceiling`` with its bounds after the last of them, in the order they came.

    The probability that the lower bound is wrong at any time is at most ``alpha_low``, the upper one ``alpha_high``. Raises
    ValueError for no values or for one out of range.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    if min(values) < floor or max(values) > ceiling:
        raise ValueError(f"values must lie within {floor:g} and {ceiling:g}; these reach {min(values):g} and {max(values):g}")
    width = ceiling - floor
    shares = np.clip((np.asarray(values, dtype=np.float64) - floor) / width, 0.0, 1.0)
    high = floor + width * _upper(shares, alpha_high)
    low = ceiling - width * _upper(1.0 - shares, alpha_low)
    # Both may refute what the other leaves, as seldom as either errs: then nothing is left between them.
    return Bounds(math.fsum(values) / len(values), min(low, high), high, len(values), "betting")


def _upper(shares: Floats, alpha: float) -> float:
    """The least mean that has been refuted, by halving: capital grows with the mean that is bet against."""
    below, above = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        if refuted(shares, middle, alpha)[-1]:
            above = middle
        else:
            below = middle
    return above


def fewest(bound: float, alpha: float) -> int:
    """The fewest values, all of them 0, that refute a mean of 1 or more when values reach up to ``bound``."""
    count = 1
    while not refuted(np.zeros(count), 1.0 / bound, alpha)[-1]:
        count *= 2
    return int(np.argmax(refuted(np.zeros(count), 1.0 / bound, alpha))) + 1


def judge(low: float | None, high: float | None, margin: float, *, more: bool) -> Verdict:
    """The verdict on a mean difference: at most ``margin`` either way is practically equivalent, beyond is better or worse.

    The three exclude each other, so that no verdict is taken back as values are added. Undecided, it is to ``continue`` while
    there are ``more`` values to be had, and else inconclusive. Losses that cannot be negative are never better.
    """
    if low is not None and low > margin:
        return "worse"
    if high is not None and high < -margin:
        return "better"
    if low is not None and high is not None and -margin <= low and high <= margin:
        return "practically equivalent"
    return "continue" if more else "inconclusive"
