"""Planes of a picture: luma, saturation, CIE Lab, gradients, and which pixels are the empty page."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from aldente.quality.metric import Image, Mask, Plane, Tensor

XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
"""From linear sRGB to CIE XYZ under D65."""

WHITE = XYZ.sum(axis=1)
"""XYZ of white."""


def luma(image: Image) -> Plane:
    """Rec. 601 luma, 0..255."""
    plane: Plane = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return plane


def saturation(image: Image) -> Plane:
    """Saturation of the hexcone (HSV) model, 0..1; black has none."""
    pixels = image.astype(np.float64)
    high = pixels.max(axis=2)
    share: Plane = (high - pixels.min(axis=2)) / np.maximum(high, 1.0)
    return share


def linear_light(image: Image) -> Tensor:
    """Light of each channel, 0..1, ``h w 3``: sRGB without its transfer curve."""
    encoded = image.astype(np.float64) / 255.0
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lab(image: Image) -> Tensor:
    """CIE L*a*b* of sRGB under D65, ``h w 3`` [CIE 15:2004]."""
    return lab_of(linear_light(image))


def lab_of(linear: Tensor) -> Tensor:
    """CIE L*a*b* of linear sRGB under D65, ``h w 3``."""
    ratio = (linear @ XYZ.T) / WHITE
    bent = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = bent[..., 0], bent[..., 1], bent[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def gradient(plane: Plane) -> Plane:
    """Length of the Sobel gradient, in units of the plane per pixel."""
    slope: Plane = np.hypot(ndimage.sobel(plane, axis=0), ndimage.sobel(plane, axis=1)) / 8.0
    return slope


def near_edges(plane: Plane) -> Mask:
    """The pixels within 2 px of the strongest tenth of the edges that survive a blur of 2 px."""
    slope = gradient(ndimage.gaussian_filter(plane, 2.0))
    strong = slope > max(float(np.quantile(slope, 0.9)), 0.5)
    near: Mask = ndimage.binary_dilation(strong, iterations=2)
    return near


def page(image: Image, *, tolerance: int = 24) -> Mask:
    """The near-white paper that a drawing stands on: what is joined to the border and close to its median colour.

    None of the picture when the border's median is not near white or less than half of the border is close to it. Flaws
    are counted outside of it: white paper is not a blown highlight.
    """
    pixels = image.astype(np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0)
    close = np.abs(pixels - colour).max(axis=2) <= tolerance
    labels, _ = ndimage.label(close)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    if colour.min() < 224 or np.count_nonzero(rim) < rim.size / 2:
        return np.zeros(close.shape, dtype=bool)
    paper: Mask = np.isin(labels, np.unique(rim[rim > 0]))
    return paper


def subject(image: Image) -> Mask:
    """The pixels that are not the white page; all of them when hardly any would be left."""
    paper = page(image)
    return np.ones_like(paper) if paper.mean() > 0.98 else ~paper
