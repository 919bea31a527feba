"""How sure a mean is: one-sided confidence bounds for prompts drawn at random, with several pictures each.

Pictures of one prompt resemble each other, so a prompt counts once: all bounds are over the means of prompts.
With many prompts the bounds are bootstrapped; with few the bootstrap is too narrow (at 8 prompts a 95 % bound of log-normal
losses holds in 80 % of cases) and a distribution is assumed instead; ``method`` says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]
Method = Literal["bca", "student", "log-normal", "binomial", "betting", "none"]

MANY = 20
"""From this many prompts on, the bootstrap is trusted."""

RESAMPLES = 4000


class Bounds(NamedTuple):
    """A mean and its one-sided bounds, each of which fails with probability ``alpha``; None where nothing can be said."""

    mean: float
    low: float | None
    high: float | None
    clusters: int
    method: Method


def mean_bounds(values: Sequence[float], clusters: Sequence[Hashable], *, alpha: float, rng: np.random.Generator) -> Bounds:
    """Bounds for the mean of signed differences: BCa bootstrap of the clusters, Student's t when they are few."""
    return _bounds(_cluster_means(values, clusters), alpha, rng, _student, "student")


def loss_bounds(values: Sequence[float], clusters: Sequence[Hashable], *, alpha: float, rng: np.random.Generator) -> Bounds:
    """Bounds for the mean of losses (>= 0): BCa bootstrap of the clusters, a log-normal mean when they are few.

    Distances to a converged picture are close to log-normal over prompts (measured on pastina: spread .5 of the natural
    logarithm, skew below .8), where Student's t is too narrow [Zhou 1997, Cox's method]. Losses of 0 fall back to it.
    """
    means = _cluster_means(values, clusters)
    if means.size and means.min() > 0.0:
        return _bounds(means, alpha, rng, _log_normal, "log-normal")
    return _bounds(means, alpha, rng, _student, "student")


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


def _bounds(
    means: Floats,
    alpha: float,
    rng: np.random.Generator,
    few: Callable[[Floats, float], tuple[float, float]],
    name: Method,
) -> Bounds:
    if means.size == 0:
        raise ValueError("a mean needs at least one value")
    mean = math.fsum(means) / means.size
    if means.size == 1:
        return Bounds(mean, None, None, 1, "none")
    if means.size >= MANY:
        return Bounds(mean, *_bca(means, alpha, rng), means.size, "bca")
    return Bounds(mean, *few(means, alpha), means.size, name)


def _student(means: Floats, alpha: float) -> tuple[float, float]:
    mean, count = math.fsum(means) / means.size, means.size
    reach = float(stats.t.ppf(1 - alpha, count - 1)) * float(means.std(ddof=1)) / math.sqrt(count)
    return mean - reach, mean + reach


def _log_normal(means: Floats, alpha: float) -> tuple[float, float]:
    logs, count = np.log(means), means.size
    variance = float(logs.var(ddof=1))
    centre = float(logs.mean()) + variance / 2
    reach = float(stats.t.ppf(1 - alpha, count - 1)) * math.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    mean = math.fsum(means) / count
    # The arithmetic mean is what is reported; a bound on its wrong side would contradict it.
    return min(math.exp(centre - reach), mean), max(math.exp(min(centre + reach, 300.0)), mean)


def _bca(means: Floats, alpha: float, rng: np.random.Generator) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap of the mean of clusters [Efron 1987]."""
    count = means.size
    mean = float(means.mean())
    resampled = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) @ means / count
    if resampled.min() == resampled.max():
        return mean, mean
    below = (np.count_nonzero(resampled < mean) + np.count_nonzero(resampled == mean) / 2) / RESAMPLES
    bias = float(special.ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    pull = mean - means
    acceleration = -float((pull**3).sum() / (6 * (pull**2).sum() ** 1.5))

    def level(normal: float) -> float:
        return float(special.ndtr(bias + (bias + normal) / (1 - acceleration * (bias + normal))))

    edge = float(special.ndtri(alpha))
    low, high = np.quantile(resampled, [level(edge), level(-edge)])
    return float(low), float(high)
