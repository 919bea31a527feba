"""Step noise from one Brownian path per image: more steps refine the same picture instead of making another.

The path is a function of (seed, purpose) alone. It is known at the powers of two and refined between them by halving, each
midpoint from its own numbers: no step, schedule, span or order of questions changes it [Levy 1948] [Karras 2022].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.engine.noise.gaussian import gaussian
from aldente.engine.noise.streams import float_bits, per_image, source
from aldente.engine.trajectory import StepNoise

DEPTH = 20
"""Halvings of an octave: levels a millionth apart are still told apart; closer ones share all but a bridge of their own."""

FLOOR = 2.0**-24
"""Smaller levels count as this one; the path has moved by less than .0003 below it."""

_CHUNK = 1 << 15
"""Numbers made in one go: what a processor's cache holds."""

Doubles = NDArray[np.float64]
Path = Callable[[float], Doubles]


def brownian(seeds: Sequence[int], like: Latent, *, purpose: str = "step") -> StepNoise:
    """Unit noise (W(a) - W(b)) / sqrt(|a - b|) from one path W over sigma for each image, row i from ``seeds[i]`` alone.

    Steps that do not overlap have independent noise, and the noise of a step is that of its halves added up.
    """
    count = math.prod(like.shape[1:])
    paths = [path(seed, count, purpose=purpose) for seed in seeds]

    def noise(sigma: float, sigma_next: float) -> Latent:
        scale = 1.0 / math.sqrt(abs(sigma - sigma_next))
        draws = [lambda shape, w=w: ((w(sigma) - w(sigma_next)) * scale).reshape(shape) for w in paths]
        return per_image(draws, like)

    return noise


def path(seed: int, count: int, *, purpose: str = "step") -> Path:
    """``count`` Brownian paths W(sigma), W(1) = 0; the last few values are kept, for speed only."""
    bits = source(seed, purpose)

    def weighted(terms: Sequence[tuple[float, tuple[int, int, int]]]) -> Doubles:
        """The sum of weight * the normal numbers at its index, always added in the same order."""
        total, group = np.zeros(count), max(1, _CHUNK // count)
        for start in range(0, len(terms), group):
            some = terms[start : start + group]
            normals = gaussian(np.stack([bits(index, (count + 1) // 2) for _, index in some]))
            weights = np.array([weight for weight, _ in some])[:, np.newaxis]
            total += np.add.reduce(normals[:, :count] * weights, axis=0)
        return total

    @lru_cache(maxsize=64)
    def at_power(exponent: int) -> Doubles:
        """W(2^exponent), walked from W(1) octave by octave."""
        if exponent == 0:
            return np.zeros(count)
        inner = exponent - 1 if exponent > 0 else exponent
        rise = weighted([(math.sqrt(2.0**inner), _index(inner, 0))])
        return at_power(inner) + rise if exponent > 0 else at_power(exponent + 1) - rise

    @lru_cache(maxsize=4)
    def value(sigma: float) -> Doubles:
        mantissa, exponent = math.frexp(max(sigma, FLOOR))
        return at_power(exponent - 1) + weighted(_terms(2.0 * mantissa - 1.0, exponent - 1, sigma))

    return value


def _terms(place: float, octave: int, sigma: float) -> list[tuple[float, tuple[int, int, int]]]:
    """What W has gained at ``place`` (0 to 1) of an octave: its rise, a tent for each halving, a bridge at the leaf."""
    length = 2.0**octave
    terms = [(place * math.sqrt(length), _index(octave, 0))]
    node = 1
    for _ in range(DEPTH):
        terms.append((math.sqrt(length) * min(place, 1.0 - place), _index(octave, node)))
        half = int(place >= 0.5)
        node, place, length = 2 * node + half, 2.0 * place - half, length / 2.0
    terms.append((math.sqrt(length * place * (1.0 - place)), _index(octave, node, sigma)))
    return [term for term in terms if term[0] != 0.0]


def _index(octave: int, node: int, leaf: float = 0.0) -> tuple[int, int, int]:
    return octave + 1100, node, float_bits(leaf)
