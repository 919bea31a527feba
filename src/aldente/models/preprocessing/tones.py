"""The tones of a picture: inverted, cut, blurred, moved about, or its brightness alone; each of them deterministic."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from aldente.models.port import Image
from aldente.models.preprocessing.grey import grey_of, picture_of

CUT = 127
"""The brightness above which ``threshold`` makes white."""

BLUR = 9.0
"""The blur of ``blur`` in px."""

_SHUFFLE_SEED = 12345


def invert(image: Image) -> Image:
    """The negative: white lines on black out of black lines on white."""
    return 255 - np.asarray(image)


def threshold(image: Image) -> Image:
    """White where a picture is brighter than ``CUT``, black elsewhere."""
    return picture_of(np.where(grey_of(image) > CUT, 255, 0))


def blur(image: Image) -> Image:
    """The picture without its details."""
    soft = gaussian_filter(np.asarray(image, np.float32), (BLUR, BLUR, 0), mode="mirror")
    return np.rint(soft).clip(0, 255).astype(np.uint8)


def shuffle(image: Image) -> Image:
    """The colours without their places: each pixel taken from elsewhere along smooth random waves, always the same ones."""
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    generator = np.random.Generator(np.random.Philox(_SHUFFLE_SEED))
    waves = []
    for length in (height, width):
        noise = generator.standard_normal((height, width))
        smooth = gaussian_filter(noise, max(height, width) / 8, mode="mirror")
        low, high = smooth.min(), smooth.max()
        waves.append((smooth - low) / max(high - low, 1e-12) * (length - 1))
    moved = [map_coordinates(pixels[..., channel], waves, order=1, mode="nearest") for channel in range(3)]
    return np.rint(np.stack(moved, axis=2)).clip(0, 255).astype(np.uint8)


def tile(image: Image) -> Image:
    """The picture at an eighth of its size and back: its colours in their places, its details gone."""
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    rows, columns = (np.minimum(np.arange(side) * max(side // 8, 1) // side, side - 1) for side in (height, width))
    index = rows[:, None] * (int(columns.max()) + 1) + columns[None, :]
    count = np.bincount(index.ravel())
    means = [np.bincount(index.ravel(), pixels[..., channel].ravel()) / count for channel in range(3)]
    coarse = np.stack([mean[index] for mean in means], axis=2)
    return np.rint(coarse).clip(0, 255).astype(np.uint8)


def luminance(image: Image) -> Image:
    """The brightness that the eye sees: the L of CIE L*a*b*, 0 to 255."""
    share = np.asarray(image, np.float64) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.212671, 0.715160, 0.072169])
    lightness = np.where(y > 0.008856, 116.0 * np.cbrt(y) - 16.0, 903.3 * y)
    return picture_of(lightness * 2.55)


def intensity(image: Image) -> Image:
    """The largest of red, green and blue: the V of HSV."""
    return picture_of(np.asarray(image, np.float32).max(axis=2))
