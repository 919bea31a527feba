"""Upper confidence bounds of a mean of losses that were tried for the fast mode, on whole tables of runs at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aldente.quality.bounds import loss_bounds

Floats = NDArray[np.float64]
RESAMPLES = 999

Bound = Callable[[Floats, float, np.random.Generator], Floats]
"""The upper bound, failing with a probability, of each row of losses (runs prompts)."""


def ours(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """What studies use."""
    rows = (loss_bounds(row.tolist(), range(row.size), alpha=alpha).high for row in losses)
    return np.array([math.inf if high is None else high for high in rows])


def student(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """Student's t."""
    return losses.mean(axis=1) + stats.t.ppf(1 - alpha, losses.shape[1] - 1) * _unit(losses)


def skew_corrected(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """Student's t through Hall's cubic [Hall 1992]."""
    count, mean = losses.shape[1], losses.mean(axis=1)
    spread = np.maximum(losses.std(axis=1, ddof=1), 1e-12)
    skew = ((losses - mean[:, None]) ** 3).mean(axis=1) / spread**3 / math.sqrt(count)
    skew = np.where(np.abs(skew) < 1e-9, 1e-9, skew)
    edge = -float(stats.t.ppf(1 - alpha, count - 1))
    return mean - 3.0 / skew * (np.cbrt(1.0 + skew * (edge - skew / 6.0)) - 1.0) * _unit(losses)


def cox(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """Cox's method for a log-normal mean [Zhou 1997], which studies used below 20 prompts."""
    logs, count = np.log(np.maximum(losses, 1e-12)), losses.shape[1]
    variance = logs.var(axis=1, ddof=1)
    edge = float(stats.t.ppf(1 - alpha, count - 1))
    high = logs.mean(axis=1) + variance / 2 + edge * np.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    return np.maximum(np.exp(np.minimum(high, 300.0)), losses.mean(axis=1))


def studentised(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """Bootstrap of Student's t."""
    return np.array([_studentised(row, alpha, rng) for row in losses])


def bca(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """BCa bootstrap [Efron 1987], which studies used from 20 prompts on."""
    return np.array([_bca(row, float(special.ndtri(1 - alpha)), rng) for row in losses])


def bca_widened(losses: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """BCa bootstrap, its normal quantile replaced by that of t with n - 1 degrees and widened by sqrt(n / (n - 1))."""
    count = losses.shape[1]
    edge = math.sqrt(count / (count - 1)) * float(stats.t.ppf(1 - alpha, count - 1))
    return np.array([_bca(row, edge, rng) for row in losses])


CONTENDERS: dict[str, Bound] = {
    "Student's t": student,
    "skew-corrected t": skew_corrected,
    "bootstrap t": studentised,
    "BCa": bca,
    "BCa widened": bca_widened,
    "log-normal, Cox": cox,
    "ours": ours,
}


def _unit(losses: Floats) -> Floats:
    unit: Floats = losses.std(axis=1, ddof=1) / math.sqrt(losses.shape[1])
    return unit


def _studentised(row: Floats, alpha: float, rng: np.random.Generator) -> float:
    again = row[rng.integers(0, row.size, (RESAMPLES, row.size))]
    spread = again.std(axis=1, ddof=1)
    moves = spread > 1e-12
    if not moves.any():
        return float(row.mean())
    t = (again.mean(axis=1)[moves] - row.mean()) / spread[moves]
    return float(row.mean() - np.quantile(t, alpha) * row.std(ddof=1))


def _bca(row: Floats, edge: float, rng: np.random.Generator) -> float:
    count, mean = row.size, float(row.mean())
    again = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) @ row / count
    if again.min() == again.max():
        return mean
    below = (np.count_nonzero(again < mean) + np.count_nonzero(again == mean) / 2) / RESAMPLES
    bias = float(special.ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    pull = mean - row
    room = 1 + (pull**3).sum() / (6 * (pull**2).sum() ** 1.5) * (bias + edge)
    return float(np.quantile(again, special.ndtr(bias + (bias + edge) / room) if room > 0 else 1.0))
