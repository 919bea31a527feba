"""Latents at another size: the six ways of hires fix, each a weighting of old pixels along either axis [Keys 1981]."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from array_api_compat import array_namespace, device

from aldente.engine.denoise import Latent
from aldente.engine.errors import unknown

Weights = tuple[tuple[tuple[int, float], ...], ...]
"""For each new pixel the old ones that it is made of, each with its weight."""


def _tent(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(sharpness: float) -> Callable[[float], float]:
    """The cubic convolution kernel [Keys 1981, Eq. 4]; a sharpness of -0.5 is exact on parabolas."""

    def kernel(x: float) -> float:
        x, a = abs(x), sharpness
        if x < 1.0:
            return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a if x < 2.0 else 0.0

    return kernel


def _nearest(old: int, new: int) -> Weights:
    return tuple(((index * old // new, 1.0),) for index in range(new))


def _nearest_exact(old: int, new: int) -> Weights:
    return tuple((((2 * index + 1) * old // (2 * new), 1.0),) for index in range(new))


def _interpolating(kernel: Callable[[float], float], reach: int) -> Callable[[int, int], Weights]:
    """The old pixels around each new one's centre, whatever the factor; beyond the edge the edge is repeated."""

    def weights(old: int, new: int) -> Weights:
        rows = []
        for index in range(new):
            centre = (index + 0.5) * old / new - 0.5
            around = range(math.floor(centre) - reach + 1, math.floor(centre) + reach + 1)
            rows.append(tuple((min(max(place, 0), old - 1), kernel(place - centre)) for place in around))
        return tuple(rows)

    return weights


def _antialiased(kernel: Callable[[float], float], reach: int) -> Callable[[int, int], Weights]:
    """The kernel widened by the factor where a picture shrinks, and cut off at the edge."""

    def weights(old: int, new: int) -> Weights:
        rows, widening = [], max(old / new, 1.0)
        for index in range(new):
            centre = (index + 0.5) * old / new
            first = max(int(centre - reach * widening + 0.5), 0)
            last = min(int(centre + reach * widening + 0.5), old)
            row = [(place, kernel((place + 0.5 - centre) / widening)) for place in range(first, last)]
            total = sum(weight for _, weight in row)
            rows.append(tuple((place, weight / total) for place, weight in row))
        return tuple(rows)

    return weights


METHODS: dict[str, Callable[[int, int], Weights]] = {
    "latent": _interpolating(_tent, 1),
    "latent_bilinear_antialiased": _antialiased(_tent, 1),
    "latent_bicubic": _interpolating(_cubic(-0.75), 2),
    "latent_bicubic_antialiased": _antialiased(_cubic(-0.5), 2),
    "latent_nearest": _nearest,
    "latent_nearest_exact": _nearest_exact,
}
"""Every way of resizing latents; the kernels are those of PyTorch, in which the programs that made them popular resize."""


def resized(latent: Latent, height: int, width: int, method: str) -> Latent:
    """The latent (b c h w) at ``height`` x ``width`` latent pixels; raises UserError for a method that is not known."""
    if method not in METHODS:
        raise unknown("latent upscaler", method, METHODS)
    xp = array_namespace(latent)
    rows, columns = (
        xp.asarray(_matrix(method, old, new), dtype=latent.dtype, device=device(latent))
        for old, new in ((latent.shape[2], height), (latent.shape[3], width))
    )
    return xp.matmul(xp.matmul(rows, latent), xp.matrix_transpose(columns))


@lru_cache(maxsize=8)
def _matrix(method: str, old: int, new: int) -> tuple[tuple[float, ...], ...]:
    """The weights as a matrix, new x old."""
    matrix = []
    for row in METHODS[method](old, new):
        line = [0.0] * old
        for place, weight in row:
            line[place] += weight
        matrix.append(tuple(line))
    return tuple(matrix)
