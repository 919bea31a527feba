"""Diversity: how different the pictures of one prompt are over seeds, in layout and in palette."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from aldente.engine.errors import UserError
from aldente.quality.metric import Image, Tensor
from aldente.quality.planes import lab
from aldente.quality.structure import coarse

_QUANTILES = (np.arange(64) + 0.5) / 64

T = TypeVar("T")


def layout_diversity(images: Sequence[Image]) -> float:
    """Mean pairwise distance of where light and dark are, in steps of L*: RMS at a blur of 1/16 of the shorter side.

    Raises UserError for fewer than two pictures, or for pictures of several sizes.
    """
    return _mean_pairwise(images, lambda image: coarse(image)[..., 0], _rms)


def palette_diversity(images: Sequence[Image]) -> float:
    """Mean pairwise distance of which colours there are, wherever they are, in CIE Lab units.

    The 2-Wasserstein distance of each of L*, a*, b*, the three combined as a length [Bonneel 2015]. Raises UserError for
    fewer than two pictures, or for pictures of several sizes.
    """
    return _mean_pairwise(images, _palette, lambda a, b: math.sqrt(3.0) * _rms(a, b))


def _palette(image: Image) -> Tensor:
    """The quantiles of each Lab channel, ``64 3``."""
    quantiles: Tensor = np.quantile(lab(image).reshape(-1, 3), _QUANTILES, axis=0)
    return quantiles


def _rms(a: Tensor, b: Tensor) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def _mean_pairwise(images: Sequence[Image], view: Callable[[Image], T], apart: Callable[[T, T], float]) -> float:
    if len(images) < 2:
        raise UserError(f"diversity is about differences: it needs at least 2 pictures of a prompt, not {len(images)}.")
    sizes = sorted({f"{image.shape[1]} x {image.shape[0]}" for image in images})
    if len(sizes) > 1:
        raise UserError(f"diversity needs pictures of one size; these are {', '.join(sizes)}.")
    views = [view(image) for image in images]
    distances = [apart(a, b) for a, b in combinations(views, 2)]
    return math.fsum(distances) / len(distances)
