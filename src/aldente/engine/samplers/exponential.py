"""Integrals of exponentials times polynomials: the coefficients of exponential and of plain multistep methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level, log_snr

SERIES_BELOW = 4.0
"""Under this |z| the upward recurrence of ``phis`` loses digits and the power series needs few terms."""

SERIES_TERMS = 32


class Node(NamedTuple):
    """An estimate ``clean`` and the log signal-to-noise ratio at which it was made."""

    log_snr: float
    clean: Latent


def nodes_with(level: Level, clean: Latent, past: Sequence[Node], count: int) -> tuple[Node, ...]:
    """The ``count`` latest nodes, newest first; none at an infinite log SNR (the first flow level) except the newest."""
    kept = tuple(node for node in past if math.isfinite(node.log_snr))
    return (Node(log_snr(level), clean), *kept)[:count]


def phis(highest: int, z: float) -> list[float]:
    """phi_0 to phi_highest at z: phi_0 = e^z and phi_(k+1)(z) = (phi_k(z) - 1/k!) / z [Hochbruck 2010]."""
    values = [math.exp(z)]
    if abs(z) >= SERIES_BELOW:
        for k in range(highest):
            values.append((values[k] - 1.0 / math.factorial(k)) / z)
        return values
    series = 1.0
    for j in range(SERIES_TERMS, 0, -1):
        series = 1.0 + series * z / (j + highest)
    downwards = [series / math.factorial(highest)]
    for k in range(highest - 1, 0, -1):
        downwards.append(z * downwards[-1] + 1.0 / math.factorial(k))
    return values + downwards[::-1]


def phi(k: int, z: float) -> float:
    """phi_k(z)."""
    return phis(k, z)[k]


def weights(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """The weights that integrate every polynomial through ``nodes`` exactly, from the integrals of 1, u, u^2, ...

    Solves sum_j w_j nodes_j^k = moments_k without forming the matrix [Bjorck 1970].
    """
    w, count = list(moments), len(nodes)
    for k in range(count - 1):
        for i in range(count - 1, k, -1):
            w[i] -= nodes[k] * w[i - 1]
    for k in range(count - 1, 0, -1):
        for i in range(k, count):
            w[i] /= nodes[i] - nodes[i - k]
        for i in range(k - 1, count - 1):
            w[i] -= w[i + 1]
    return w


def decay_moments(width: float, count: int) -> list[float]:
    """The integrals over u in [0, 1] of width * e^(-width (1 - u)) * u^k: how a step of ``width`` weighs the estimates."""
    return [width * math.factorial(k) * value for k, value in enumerate(phis(count, -width)[1:])]


def blend(coefficients: Sequence[float], arrays: Sequence[Latent]) -> Latent:
    """The sum of ``arrays``, each times its coefficient."""
    total = coefficients[0] * arrays[0]
    for coefficient, array in zip(coefficients[1:], arrays[1:], strict=True):
        total = total + coefficient * array
    return total
