"""FLIP: the difference that is seen when two pictures flicker in place of each other [Andersson 2020]."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aldente.quality.metric import Image, Plane, Tensor
from aldente.quality.planes import WHITE, XYZ, lab_of, linear_light

PIXELS_PER_DEGREE = 67.0
"""The paper's viewer: .7 m before a screen of 3840 px on .7 m. On it a picture of 64 px is a thumbnail."""

_COLOUR_POWER, _FEATURE_POWER, _FEATURE_WIDTH = 0.7, 0.5, 0.082
_KNEE, _KNEE_VALUE = 0.4, 0.95

# Contrast sensitivity, as Gaussians over frequency: weight and spread, for lightness, red-green and blue-yellow.
_SENSITIVITY = (((1.0, 0.0047),), ((1.0, 0.0053),), ((34.1, 0.04), (13.5, 0.025)))
_WIDEST = 0.04


def flip(image: Image, reference: Image) -> float:
    """Mean LDR-FLIP error over the pixels, 0 (alike) to 1 (as different as green and blue), at 67 px a degree."""
    return float(flip_map(image, reference).mean())


def flip_map(image: Image, reference: Image, *, pixels_per_degree: float = PIXELS_PER_DEGREE) -> Plane:
    """The LDR-FLIP error of each pixel, 0..1, ``h w``: colour difference, raised where edges or points differ."""
    a, b = _opponent(image), _opponent(reference)
    colour = _redistributed(_hyab(_seen(a, pixels_per_degree), _seen(b, pixels_per_degree)))
    feature = _features(a[..., 0], b[..., 0], pixels_per_degree)
    error: Plane = colour ** (1.0 - feature)
    return error


def _opponent(image: Image) -> Tensor:
    """YCxCz: a linear opponent space in which contrast sensitivity may be filtered."""
    x, y, z = np.moveaxis(linear_light(image) @ XYZ.T / WHITE, 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def _seen(opponent: Tensor, pixels_per_degree: float) -> Tensor:
    """The colours after the eye's contrast sensitivity, as CIE Lab in which chroma counts less in the dark."""
    reach = math.ceil(3 * math.sqrt(_WIDEST / (2 * math.pi**2)) * pixels_per_degree)
    at = np.arange(-reach, reach + 1) / pixels_per_degree
    planes = [_filtered(opponent[..., c], at, _SENSITIVITY[c]) for c in range(3)]
    y = (planes[0] + 16) / 116
    ratio = np.stack([y + planes[1] / 500, y, y - planes[2] / 200], axis=2)
    linear = np.clip((ratio * WHITE) @ np.linalg.inv(XYZ).T, 0.0, 1.0)
    return _hunt(lab_of(linear))


def _filtered(plane: Plane, at: Plane, gaussians: tuple[tuple[float, float], ...]) -> Plane:
    """The plane under a sum of Gaussians whose weights sum to 1; each is separable, their sum is not."""
    lines = [np.exp(-(math.pi**2) * at**2 / spread) for _, spread in gaussians]
    weights = [weight * math.sqrt(math.pi / spread) for weight, spread in gaussians]
    total = sum(weight * line.sum() ** 2 for weight, line in zip(weights, lines, strict=True))
    parts = [weight / total * _both_ways(plane, line, line) for weight, line in zip(weights, lines, strict=True)]
    filtered: Plane = np.sum(parts, axis=0)
    return filtered


def _both_ways(plane: Plane, across: Plane, down: Plane) -> Plane:
    rows = ndimage.correlate1d(plane, across, axis=1, mode="nearest")
    done: Plane = ndimage.correlate1d(rows, down, axis=0, mode="nearest")
    return done


def _hunt(lab: Tensor) -> Tensor:
    """CIE Lab whose chroma shrinks with lightness (Hunt effect)."""
    light = lab[..., :1]
    return np.concatenate([light, 0.01 * light * lab[..., 1:]], axis=2)


def _hyab(a: Tensor, b: Tensor) -> Plane:
    """The distance of large colour differences: lightness plus the length of the chroma difference."""
    distance: Plane = np.abs(a[..., 0] - b[..., 0]) + np.hypot(a[..., 1] - b[..., 1], a[..., 2] - b[..., 2])
    return distance


def _primary(*rgb: float) -> Tensor:
    return _hunt(lab_of(np.array([[rgb]])))


def _redistributed(distance: Plane) -> Plane:
    """Colour differences within 0..1: most of the range is kept for the differences that are common."""
    most = float(_hyab(_primary(0, 1, 0), _primary(0, 0, 1))[0, 0]) ** _COLOUR_POWER
    knee, powered = _KNEE * most, distance**_COLOUR_POWER
    above = _KNEE_VALUE + (powered - knee) / (most - knee) * (1 - _KNEE_VALUE)
    error: Plane = np.clip(np.where(powered < knee, _KNEE_VALUE / knee * powered, above), 0.0, 1.0)
    return error


def _features(a: Plane, b: Plane, pixels_per_degree: float) -> Plane:
    """How differently the lightness has edges and points, 0..1."""
    spread = 0.5 * _FEATURE_WIDTH * pixels_per_degree
    reach = math.ceil(3 * spread)
    at = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-(at**2) / (2 * spread**2))
    kernels = (-at * bell, (at**2 / spread**2 - 1) * bell)
    apart = [np.abs(_strength(a, kernel, bell) - _strength(b, kernel, bell)) for kernel in kernels]
    feature: Plane = np.clip((np.maximum(*apart) / math.sqrt(2)) ** _FEATURE_POWER, 0.0, 1.0)
    return feature


def _strength(lightness: Plane, kernel: NDArray[np.float64], bell: NDArray[np.float64]) -> Plane:
    """Length of the response to a kernel across and down; its positive weights sum to 1, its negative ones to -1."""
    whole = np.outer(bell, kernel)
    high, low = whole[whole > 0].sum(), -whole[whole < 0].sum()
    plane = (lightness + 16) / 116
    # The kernel is split in its two signs, which are scaled apart; each stays separable.
    across, down = (
        sum(
            _both_ways(plane, *pair) / size
            for part, size in ((np.maximum(kernel, 0), high), (np.minimum(kernel, 0), low))
            for pair in [(part, bell) if axis else (bell, part)]
        )
        for axis in (1, 0)
    )
    length: Plane = np.hypot(across, down)
    return length
