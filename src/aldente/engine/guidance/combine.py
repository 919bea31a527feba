"""Ways to combine the estimate under the prompt with the one under the negative prompt.

All work on estimates of the clean latent (x0), where guidance has the same form as on the noise: the two differ by a factor
that is the same for both estimates. A scale of 1 is off: the estimate under the prompt, untouched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from aldente.engine.denoise import Latent

_IMAGE = (1, 2, 3)
"""The axes of one image in ``b c h w``: what is measured is measured for each image alone."""


class Combine(NamedTuple):
    """``apply(cond, uncond)`` is the guided estimate; ``off`` says that it is ``cond``, so ``uncond`` need not be asked."""

    apply: Callable[[Latent, Latent], Latent]
    off: bool


def cfg(scale: float) -> Combine:
    """Classifier-free guidance: ``scale`` times the way from uncond to cond [Ho 2022, Eq. 6].

    For CFG++ samplers ``scale`` is a weight between 0 and 1, excluding 1: they renoise along ``Estimate.base`` and need
    no more than that [Chung 2024].
    """
    return Combine(lambda cond, uncond: uncond + scale * (cond - uncond), scale == 1.0)


def apg(scale: float, *, eta: float = 0.0, norm: float = 0.0, momentum: float = 0.0) -> Combine:
    """Adaptive projected guidance: the part of the guidance that lies along cond counts only ``eta`` [Sadat 2024, Alg. 1].

    ``norm`` bounds the length of cond - uncond (0: no bound); a negative ``momentum`` leans away from the steps before.
    That average is the only thing remembered, elementwise and so per image: **make a new one for each run**, and guide
    outside of tiles and regions, so that no run, image or tile sees another's.
    """
    average: Any = None

    def apply(cond: Latent, uncond: Latent) -> Latent:
        nonlocal average
        xp = array_namespace(cond)
        way = cond - uncond
        if momentum != 0.0:
            way = average = way if average is None else way + momentum * average
        if norm > 0.0:
            length = xp.sqrt(xp.sum(way * way, axis=_IMAGE, keepdims=True))
            way = way * (norm / xp.maximum(length, xp.full_like(length, norm)))
        square = xp.sum(cond * cond, axis=_IMAGE, keepdims=True)
        along = xp.sum(way * cond, axis=_IMAGE, keepdims=True) / _positive(square) * cond
        return cond + (scale - 1.0) * (way - (1.0 - eta) * along)

    return Combine(apply, scale == 1.0)


def rescaled(combine: Combine, amount: float) -> Combine:
    """Pull the spread of the guided estimate back towards that of cond, per image, in x0 [Lin 2023, Eq. 15-16].

    ``amount`` 0 leaves it, 1 matches it; .7 is usual.
    """

    def apply(cond: Latent, uncond: Latent) -> Latent:
        xp = array_namespace(cond)
        guided = combine.apply(cond, uncond)
        wanted, spread = (xp.std(x, axis=_IMAGE, keepdims=True) for x in (cond, guided))
        return guided * (1.0 - amount + amount * (wanted / _positive(spread)))

    return combine if amount == 0.0 else Combine(apply, combine.off)


def thresholded(combine: Combine, quantile: float) -> Combine:
    """Clip the guided estimate at a quantile of its size and shrink it to that quantile of cond's, per image.

    Dynamic thresholding [Saharia 2022, Sec. 2.3] with cond's range in place of the pixels' 1: latents have no fixed range.
    """

    def apply(cond: Latent, uncond: Latent) -> Latent:
        xp = array_namespace(cond)
        guided = combine.apply(cond, uncond)
        room = _size_quantile(cond, quantile)
        reach = xp.maximum(_size_quantile(guided, quantile), room)
        return xp.minimum(xp.maximum(guided, -reach), reach) * (room / _positive(reach))

    return Combine(apply, combine.off)


def _positive(x: Latent) -> Latent:
    """``x``, with 1 where it is 0: a divisor for what is 0 there as well."""
    xp = array_namespace(x)
    return xp.where(x > 0, x, xp.ones_like(x))


def _size_quantile(x: Latent, quantile: float) -> Latent:
    """The quantile of |x| in each image, between its neighbours by linear interpolation; b 1 1 1."""
    xp = array_namespace(x)
    sizes = xp.sort(xp.reshape(xp.abs(x), (x.shape[0], -1)), axis=-1)
    place = quantile * (sizes.shape[1] - 1)
    below = min(math.floor(place), sizes.shape[1] - 2) if sizes.shape[1] > 1 else 0
    low, high = sizes[:, below : below + 1], sizes[:, -1:] if sizes.shape[1] == 1 else sizes[:, below + 1 : below + 2]
    return xp.reshape(low + (place - below) * (high - low), (x.shape[0], 1, 1, 1))
