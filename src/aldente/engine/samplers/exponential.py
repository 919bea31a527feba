"""Integrals of exponentials times polynomials: the coefficients of exponential and of plain multistep methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level, log_snr

SERIES_BELOW = 2.0
"""Under this |z| the recurrence of ``phi`` loses digits and the power series needs few terms."""

SERIES_TERMS = 28


class Node(NamedTuple):
    """An estimate ``clean`` and the log signal-to-noise ratio at which it was made."""

    log_snr: float
    clean: Latent


def nodes_with(level: Level, clean: Latent, past: Sequence[Node], count: int) -> tuple[Node, ...]:
    """The ``count`` latest nodes, newest first; none at an infinite log SNR (the first flow level) except the newest."""
    kept = tuple(node for node in past if math.isfinite(node.log_snr))
    return (Node(log_snr(level), clean), *kept)[:count]


def phi(k: int, z: float) -> float:
    """phi_k(z): phi_0 = e^z and phi_(k+1)(z) = (phi_k(z) - 1/k!) / z [Hochbruck 2010, Eq. 2.10]."""
    if abs(z) < SERIES_BELOW:
        return math.fsum(z**j / math.factorial(j + k) for j in range(SERIES_TERMS))
    value = math.exp(z)
    for j in range(k):
        value = (value - 1.0 / math.factorial(j)) / z
    return value


def weights(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """The weights that integrate every polynomial through ``nodes`` exactly, from the integrals of 1, u, u^2, ..."""
    result = []
    for j, node in enumerate(nodes):
        lagrange = [1.0]
        for k, other in enumerate(nodes):
            if k != j:
                shifted = [0.0, *lagrange]
                lagrange = [(a - other * b) / (node - other) for a, b in zip(shifted, [*lagrange, 0.0], strict=True)]
        result.append(math.fsum(c * moment for c, moment in zip(lagrange, moments, strict=True)))
    return result


def decay_moments(width: float, count: int) -> list[float]:
    """The integrals over u in [0, 1] of width * e^(-width (1 - u)) * u^k: how a step of ``width`` weighs the estimates."""
    return [width * math.factorial(k) * phi(k + 1, -width) for k in range(count)]


def blend(coefficients: Sequence[float], arrays: Sequence[Latent]) -> Latent:
    """The sum of ``arrays``, each times its coefficient."""
    total = coefficients[0] * arrays[0]
    for coefficient, array in zip(coefficients[1:], arrays[1:], strict=True):
        total = total + coefficient * array
    return total
