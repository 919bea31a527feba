"""Lines out of a picture: white on black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter, label

from aldente.models.port import Image
from aldente.models.preprocessing.grey import picture_of

Plane = NDArray[np.float32]

LOW, HIGH = 100, 200
"""ControlNet's thresholds of the gradient, as OpenCV counts it: |dx| + |dy| of 3 x 3 Sobel, 0 to 255 a step."""

_EIGHT = np.ones((3, 3), dtype=bool)


def canny(image: Image) -> Image:
    """The edges, one pixel wide [Canny 1986]: gradients at their ridges, above ``HIGH`` or joined to one that is."""
    across, down = _gradients(image)
    strength = np.abs(across) + np.abs(down)
    ridge = _ridges(strength, across, down)
    candidates = ridge & (strength > LOW)
    regions, count = label(candidates, structure=_EIGHT)
    sure = np.zeros(count + 1, dtype=bool)
    sure[np.unique(regions[candidates & (strength > HIGH)])] = True
    sure[0] = False
    return picture_of(sure[regions].astype(np.float32) * 255.0)


def _gradients(image: Image) -> tuple[Plane, Plane]:
    """The Sobel derivatives, sideways and down, of the channel that changes most."""
    planes = np.asarray(image, np.float32)
    smooth, step = (1.0, 2.0, 1.0), (1.0, 0.0, -1.0)
    across, down = (
        convolve1d(convolve1d(planes, step, axis=axis, mode="nearest"), smooth, axis=1 - axis, mode="nearest")
        for axis in (1, 0)
    )
    most = np.argmax(np.abs(across) + np.abs(down), axis=2)[..., None]
    return np.take_along_axis(across, most, axis=2)[..., 0], np.take_along_axis(down, most, axis=2)[..., 0]


def _ridges(strength: Plane, across: Plane, down: Plane) -> NDArray[np.bool_]:
    """Where the strength is that of a ridge: no less than its neighbours along the gradient, of four directions."""
    around = np.pad(strength, 1)

    def moved(y: int, x: int) -> Plane:
        return around[1 + y : around.shape[0] - 1 + y, 1 + x : around.shape[1] - 1 + x]

    flat, steep = np.abs(down) < np.abs(across) * np.tan(np.pi / 8), np.abs(down) > np.abs(across) * np.tan(3 * np.pi / 8)
    falling = across * down > 0
    ridge = np.zeros(strength.shape, dtype=bool)
    directions = ((flat, (0, 1)), (steep, (1, 0)), (~flat & ~steep & falling, (1, 1)), (~flat & ~steep & ~falling, (1, -1)))
    for where, (y, x) in directions:
        # A plateau has one ridge: ties go to the first.
        ridge |= where & (strength > moved(-y, -x)) & (strength >= moved(y, x))
    return ridge


FINE, COARSE, SHARPNESS = 0.5, 5.0, 32.0
"""The two blurs of XDoG in px, and the threshold of ControlNet's scribble on twice their difference."""


def scribble(image: Image) -> Image:
    """The strokes: where a fine blur is darker than a coarse one in every channel [Winnemoller 2012]."""
    planes = np.asarray(image, np.float32)
    fine, coarse = (gaussian_filter(planes, (sigma, sigma, 0), mode="mirror") for sigma in (FINE, COARSE))
    return picture_of(np.where(2.0 * np.min(coarse - fine, axis=2) > SHARPNESS, 255.0, 0.0))
