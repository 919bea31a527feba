"""Signs of noise, measured where there is no detail to mistake for it."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from aldente.quality.metric import Image, Plane
from aldente.quality.planes import gradient, luma, subject

_MASK = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
_BLOCK = 8


def flat_noise(image: Image) -> float:
    """Standard deviation of the noise on the flattest quarter of the 8 px blocks, in 8-bit steps [Immerkaer 1996].

    Blocks at the ends of the range are left out: clipping hides their noise. 0 for a picture smaller than a block.
    """
    plane = luma(image)
    slope = _blocks(gradient(ndimage.gaussian_filter(plane, 2.0)))
    level = _blocks(plane)
    response = _blocks(np.abs(ndimage.convolve(plane, _MASK)))
    open_range = (level > 6) & (level < 249)
    candidates = open_range if open_range.any() else np.ones_like(open_range)
    if not candidates.size:
        return 0.0
    limit = np.quantile(slope[candidates], 0.25)
    return float(response[candidates & (slope <= limit)].mean() * math.sqrt(math.pi / 2) / 6)


def _blocks(plane: Plane) -> Plane:
    rows, columns = plane.shape[0] // _BLOCK, plane.shape[1] // _BLOCK
    cut = plane[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    means: Plane = cut.mean(axis=(1, 3))
    return means


def haar_noise(image: Image) -> float:
    """Median absolute diagonal Haar coefficient of the subject / .6745: a robust noise sigma [Donoho 1994, Sec. 4.2]."""
    plane = luma(image)
    a, b = plane[:-1:2, :-1:2], plane[:-1:2, 1::2]
    c, d = plane[1::2, :-1:2], plane[1::2, 1::2]
    diagonal = np.abs(a - b - c + d) / 2
    inside = subject(image)[:-1:2, :-1:2]
    return float(np.median(diagonal[inside] if inside.any() else diagonal) / 0.6745)
