"""Shapes out of a picture: white on black."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label

from aldente.models.port import Image
from aldente.models.preprocessing.grey import picture_of

FAR = 32
"""How far, of 255 in any channel, a colour may be from that of the rim to be still the background."""


def silhouette(image: Image) -> Image:
    """What stands before a background of one colour: all that is not joined to the rim through the rim's usual colour.

    White inside of the thing stays part of it. A picture without such a background is all shape.
    """
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    usual = np.median(rim, axis=0)
    regions, _ = label(np.abs(image - usual).max(axis=2) <= FAR)
    outside = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    return picture_of(np.where(np.isin(regions, outside[outside > 0]), 0.0, 255.0))
