"""Distances to a reference: how far a picture is from the one it should be."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage

from aldente.quality.metric import Image, Plane, Tensor

IDENTICAL_DB = 100.0
"""The PSNR of identical pictures, where the formula has no finite value."""


def mse(image: Image, reference: Image) -> float:
    """Mean squared error over all pixels and channels, in squared 8-bit steps."""
    return float(np.mean((image.astype(np.float64) - reference) ** 2))


def rmse(image: Image, reference: Image) -> float:
    """Root mean squared error, in 8-bit steps (0..255)."""
    return math.sqrt(mse(image, reference))


def psnr(image: Image, reference: Image) -> float:
    """Peak signal-to-noise ratio in dB, at most ``IDENTICAL_DB``."""
    error = mse(image, reference)
    return IDENTICAL_DB if error == 0.0 else min(IDENTICAL_DB, 10.0 * math.log10(255.0**2 / error))


def ssim(image: Image, reference: Image) -> float:
    """Structural similarity, mean over channels and pixels, -1..1 [Wang 2004].

    Gaussian window of sigma 1.5 and 11 px, K1 = .01, K2 = .03, population covariance; a rim of 5 px, where the window
    would leave the picture, is not counted (unless the picture is smaller than the window).
    """
    a, b = image.astype(np.float64), reference.astype(np.float64)
    steady, spread = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _window(a), _window(b)
    var_a, var_b = _window(a * a) - mean_a**2, _window(b * b) - mean_b**2
    both = _window(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + steady) * (2 * both + spread)
    likeness = likeness / ((mean_a**2 + mean_b**2 + steady) * (var_a + var_b + spread))
    inner = likeness[5:-5, 5:-5] if min(a.shape[:2]) > 10 else likeness
    return float(inner.mean())


def _window(planes: Plane) -> Plane:
    blurred: Plane = ndimage.gaussian_filter(planes, (1.5, 1.5, 0.0), truncate=3.5)
    return blurred


def latent_rms(latent: Tensor, reference: Tensor) -> float:
    """Root mean squared difference of two latents of one shape, in units of the latent."""
    return float(np.sqrt(np.mean((np.asarray(latent, dtype=np.float64) - reference) ** 2)))


def jpeg_rmse(image: Image, *, quality: int = 95) -> float:
    """How far a picture is from its own JPEG, in 8-bit steps: a stand-in for the just noticeable difference.

    Chroma is not subsampled: halving its resolution is plainly visible on small pictures with saturated edges.
    """
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=quality, subsampling=0)
    file.seek(0)
    with Pillow.open(file) as opened:
        return rmse(np.asarray(opened.convert("RGB")), image)
