"""How sure a mean is: one-sided confidence bounds for prompts drawn at random, with several pictures each.

Pictures of one prompt resemble each other, so a prompt counts once: all bounds are over the means of prompts. With as few
prompts as people have, every usual bound of a skewed quantity is too narrow (at 24 prompts a 95 % BCa bootstrap bound of
log-normal losses of spread 1.5 fails in 21 % of cases), so the widest of bounds that fail differently is taken;
``method`` says which were asked. ``benchmarks/verdicts.py`` measures how often they fail.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Floats = NDArray[np.float64]
Method = Literal["skew-corrected", "log-normal", "binomial", "betting", "none"]

LARGEST_LOG = 300.0
"""A bound whose logarithm is larger says nothing; it is cut off there."""


class Bounds(NamedTuple):
    """A mean and its one-sided bounds, each of which fails with probability ``alpha``; None where nothing can be said."""

    mean: float
    low: float | None
    high: float | None
    clusters: int
    method: Method


def mean_bounds(values: Sequence[float], clusters: Sequence[Hashable], *, alpha: float) -> Bounds:
    """Bounds for the mean of signed differences: Student's t and its form that is corrected for skew, whichever is wider."""
    return _widest(_cluster_means(values, clusters), alpha, "skew-corrected")


def loss_bounds(values: Sequence[float], clusters: Sequence[Hashable], *, alpha: float) -> Bounds:
    """Bounds for the mean of losses (>= 0): those of signed differences or of a log-normal mean, whichever is wider.

    Distances to a converged picture are close to log-normal over prompts; the bounds of a log-normal mean then fail as often
    as they say, however few the prompts and however large the spread. Those of differences take over where a few prompts are
    far harder than the rest, and where a loss is 0.
    """
    means = _cluster_means(values, clusters)
    found = _widest(means, alpha, "log-normal" if means.size and means.min() > 0.0 else "skew-corrected")
    return found if found.low is None else found._replace(low=max(found.low, 0.0))


def share_bounds(hits: Sequence[bool], clusters: Sequence[Hashable], *, alpha: float) -> Bounds:
    """Bounds for the share of pictures with a property: exact binomial, each cluster counting as one trial.

    A cluster with the property in half of its pictures is half a success [Clopper 1934]. No success in 8 prompts does not
    prove that there are none: the upper bound is then 31 % at alpha .05.
    """
    means = _cluster_means([float(hit) for hit in hits], clusters)
    count, successes = means.size, math.fsum(means)
    if count == 1:
        return Bounds(successes, None, None, 1, "none")
    low = float(stats.beta.ppf(alpha, successes, count - successes + 1)) if successes > 0 else 0.0
    high = float(stats.beta.ppf(1 - alpha, successes + 1, count - successes)) if successes < count else 1.0
    return Bounds(successes / count, low, high, count, "binomial")


def _cluster_means(values: Sequence[float], clusters: Sequence[Hashable]) -> Floats:
    """The mean of each cluster, sorted, so that no order of the input can matter."""
    groups: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster, []).append(value)
    return np.array(sorted(math.fsum(group) / len(group) for group in groups.values()), dtype=np.float64)


def _widest(means: Floats, alpha: float, method: Method) -> Bounds:
    if means.size == 0:
        raise ValueError("a mean needs at least one value")
    mean = math.fsum(means) / means.size
    if means.size == 1:
        return Bounds(mean, None, None, 1, "none")
    edges = [mean, *_students(means, alpha)]
    if method == "log-normal":
        edges += _log_normal(means, alpha)
    return Bounds(mean, min(edges), max(edges), means.size, method)


def _students(means: Floats, alpha: float) -> tuple[float, ...]:
    """Both bounds by Student's t, and both by t as corrected for skew [Hall 1992].

    The correction is a cubic of t that has an inverse, so that the bound moves with the skew however large that is.
    """
    count, spread = means.size, float(means.std(ddof=1))
    mean, unit = math.fsum(means) / count, spread / math.sqrt(count)
    edge = float(stats.t.ppf(1 - alpha, count - 1))
    plain = (mean - edge * unit, mean + edge * unit)
    if spread == 0.0:
        return plain
    skew = float(((means - mean) ** 3).mean()) / spread**3 / math.sqrt(count)
    if abs(skew) < 1e-9:
        return plain
    inverse = [3.0 / skew * (float(np.cbrt(1.0 + skew * (t - skew / 6.0))) - 1.0) for t in (-edge, edge)]
    return (*plain, *(mean - t * unit for t in inverse))


def _log_normal(means: Floats, alpha: float) -> tuple[float, float]:
    """Both bounds of a log-normal mean, by its generalised pivot [Krishnamoorthy 2003]."""
    logs, count = np.log(means), means.size
    centre, spread = float(logs.mean()), float(logs.std(ddof=1))
    if spread == 0.0:
        return math.exp(centre), math.exp(centre)
    low, high = (centre + _pivot(spread, count, level) for level in (alpha, 1.0 - alpha))
    return math.exp(max(low, -LARGEST_LOG)), math.exp(min(high, LARGEST_LOG))


def _pivot(spread: float, count: int, level: float) -> float:
    """The quantile of Z s / (U sqrt n) + s^2 / (2 U^2), with Z normal and (n - 1) U^2 chi-squared, n - 1 degrees."""
    scales = _scales(count)
    shift, width = spread**2 / (2.0 * scales**2), spread / (scales * math.sqrt(count))

    def beyond(edge: float) -> float:
        return float(special.ndtr((edge - shift) / width).mean()) - level

    low, high = -spread, spread
    while beyond(low) > 0.0:
        low *= 2.0
    while beyond(high) < 0.0 and high < 2.0 * LARGEST_LOG:
        high *= 2.0
    return high if beyond(high) < 0.0 else float(optimize.brentq(beyond, low, high, xtol=1e-9))


@lru_cache(maxsize=256)
def _scales(count: int) -> Floats:
    """U at 400 equally probable places."""
    scales: Floats = np.sqrt(stats.chi2.ppf((np.arange(400) + 0.5) / 400, count - 1) / (count - 1))
    return scales
