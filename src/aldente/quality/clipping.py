"""Signs of clipping: what the range of 8 bits cut off, outside of a white page."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from aldente.quality.metric import Image, Mask
from aldente.quality.planes import subject


def blown(image: Image) -> float:
    """Share of the subject that is burnt out to white: its darkest channel is at 250 or above."""
    return float((image.min(axis=2) >= 250)[subject(image)].mean())


def crushed(image: Image) -> float:
    """Share of the subject whose brightest channel is at 1 or below."""
    return float((image.max(axis=2) <= 1)[subject(image)].mean())


def clipped(image: Image) -> float:
    """Share of the subject that holds no more than white or black: blown and crushed together."""
    lost = (image.min(axis=2) >= 250) | (image.max(axis=2) <= 1)
    return float(lost[subject(image)].mean())


def extreme(image: Image) -> float:
    """Share of the subject's channel values that are at an end of the range (<= 1 or >= 254)."""
    values = image[subject(image)]
    return float(((values <= 1) | (values >= 254)).mean())


def clipped_area(image: Image) -> float:
    """The largest joined area of the subject with a clipped channel (max >= 254 or max <= 1), as a share of the picture."""
    high = image.max(axis=2)
    labels, count = ndimage.label(((high >= 254) | (high <= 1)) & subject(image))
    return _largest(labels, count)


def _largest(labels: Mask, count: int) -> float:
    if count == 0:
        return 0.0
    return float(np.bincount(labels.ravel())[1:].max() / labels.size)
