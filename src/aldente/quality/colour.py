"""Signs of colour: how colourful, how saturated, how tinted."""

from __future__ import annotations

import math

import numpy as np

from aldente.quality.metric import Image
from aldente.quality.planes import lab, saturation, subject


def colourfulness(image: Image) -> float:
    """Colourfulness of natural images, about 0 (grey) to 110 [Hasler 2003, Eq. 3]."""
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    return math.sqrt(rg.var() + yb.var()) + 0.3 * math.sqrt(np.mean(rg**2) + np.mean(yb**2))


def oversaturated(image: Image) -> float:
    """Share of the subject with a saturation above .98, near-black left out, whose saturation is only rounding."""
    full = (saturation(image) > 0.98) & (image.max(axis=2) >= 32)
    return float(full[subject(image)].mean())


def chroma(image: Image) -> float:
    """Mean CIE Lab chroma of the subject."""
    points = lab(image)[subject(image)]
    return float(np.hypot(points[:, 1], points[:, 2]).mean())


def cast(image: Image) -> float:
    """Colour cast K = D / M over the whole picture: distance of the mean colour from grey per spread around it.

    D is the distance of the mean of (a, b) from the origin, M the mean absolute deviation from that mean; a picture
    of one grey has none. [Gasparini 2004]
    """
    points = lab(image)[..., 1:].reshape(-1, 2)
    centre = points.mean(axis=0)
    spread = np.abs(points - centre).mean(axis=0)
    return float(np.hypot(*centre) / max(float(np.hypot(*spread)), 1.0))
