"""Signs of sharpness: too little is blur, too much is overshoot and ringing."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from aldente.quality.metric import Image, Plane
from aldente.quality.planes import luma, near_edges


def laplacian(image: Image) -> float:
    """Variance of the Laplacian of luma [Pech-Pacheco 2000]."""
    return float(ndimage.laplace(luma(image)).var())


def tenengrad(image: Image) -> float:
    """Mean squared Sobel gradient of luma [Pertuz 2013, A.1]."""
    plane = luma(image)
    return float((ndimage.sobel(plane, axis=0) ** 2 + ndimage.sobel(plane, axis=1) ** 2).mean())


def sharpness(image: Image) -> float:
    """Natural logarithm of the variance of the Laplacian (plus 1): equal changes are equal ratios."""
    return float(np.log1p(laplacian(image)))


def detail(image: Image) -> float:
    """Root mean square of what a blur of 1 px removes from luma, in 8-bit steps."""
    return float(np.sqrt((fine(luma(image)) ** 2).mean()))


def high_band(image: Image) -> float:
    """Share of the variance of luma that a blur of 1 px removes, 0..1: falls with blur whatever the contrast."""
    plane = luma(image)
    return float((fine(plane) ** 2).mean() / max(float(plane.var()), 1.0))


def fine(plane: Plane) -> Plane:
    """The high band of a plane: what a Gaussian of sigma 1 removes."""
    band: Plane = plane - ndimage.gaussian_filter(plane, 1.0)
    return band


def ringing(image: Image) -> float:
    """Root mean square of the high band away from strong edges, in 8-bit steps: ripples, grids, dirt."""
    plane = luma(image)
    far = ~near_edges(plane)
    return float(np.sqrt((fine(plane)[far] ** 2).mean())) if far.any() else 0.0


def overshoot(image: Image) -> float:
    """Mean overshoot of luma beside strong edges, in 8-bit steps: how far it leaves the range of its blurred surroundings.

    The range is that of luma blurred by 2 px, within 2 px. A clean step has some: judge it paired.
    """
    plane = luma(image)
    smooth = ndimage.gaussian_filter(plane, 2.0)
    high, low = ndimage.maximum_filter(smooth, 5), ndimage.minimum_filter(smooth, 5)
    beyond = np.maximum(plane - high, 0) + np.maximum(low - plane, 0)
    near = near_edges(plane)
    return float(beyond[near].mean()) if near.any() else 0.0
