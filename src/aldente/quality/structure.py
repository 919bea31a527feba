"""Composition: where things are and what colour they have, whatever their detail."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from aldente.quality.metric import Image, Tensor
from aldente.quality.planes import lab

_STRANGERS = 42.0
"""Distance at which two pictures have nothing in common, in CIE Lab units."""


def composition(image: Image, other: Image) -> float:
    """How differently two pictures are composed, 0 (alike) to 1 (strangers).

    The root mean square CIE Lab distance of the pictures at a blur of 1/16 of their shorter side, saturating smoothly:
    ``1 - exp(-d / 42)``. Detail, noise and sharpness are below that blur and hardly count.
    """
    difference = coarse(image) - coarse(other)
    distance = float(np.sqrt((difference**2).sum(axis=2).mean()))
    return float(1.0 - np.exp(-distance / _STRANGERS))


def coarse(image: Image) -> Tensor:
    """The picture in CIE Lab, blurred to its composition, ``h w 3``."""
    sigma = min(image.shape[:2]) / 16
    blurred: Tensor = ndimage.gaussian_filter(lab(image), (sigma, sigma, 0.0))
    return blurred
