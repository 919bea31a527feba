"""Initial noise that leans towards another seed, or keeps a smaller picture's composition."""

from __future__ import annotations

from array_api_compat import array_namespace

from aldente.engine.denoise import Latent

A1111_AXES = (2,)
"""The axes over which A1111 takes the angle between two noises: each column of each channel alone."""


def slerp(low: Latent, high: Latent, amount: float, *, axes: tuple[int, ...] = (1, 2, 3)) -> Latent:
    """The way from ``low`` (0) to ``high`` (1) along the great circle through both [Shoemake 1985].

    What lies between two unit noises is so a unit noise. The angle is taken over ``axes``, for each image alone; A1111 takes
    it over each column, ``A1111_AXES``. Noises in one direction are mixed linearly.
    """
    xp = array_namespace(low)
    square_low, square_high, product = (xp.sum(p, axis=axes, keepdims=True) for p in (low * low, high * high, low * high))
    cosine = xp.clip(product / xp.sqrt(square_low * square_high), -1.0, 1.0)
    angle = xp.acos(cosine)
    sine = xp.sin(angle)
    straight = cosine > 0.9995
    divisor = xp.where(straight, xp.ones_like(sine), sine)
    of_low = xp.where(straight, xp.full_like(sine, 1.0 - amount), xp.sin((1.0 - amount) * angle) / divisor)
    of_high = xp.where(straight, xp.full_like(sine, amount), xp.sin(amount * angle) / divisor)
    return of_low * low + of_high * high


def varied(noise: Latent, other: Latent, strength: float, *, axes: tuple[int, ...] = (1, 2, 3)) -> Latent:
    """``noise`` leaning to ``other`` by ``strength``: exactly one of them at 0 and at 1; ``axes`` as for ``slerp``."""
    if strength in (0.0, 1.0):
        return other if strength else noise
    return slerp(noise, other, strength, axes=axes)


def centred(inner: Latent, outer: Latent) -> Latent:
    """``outer`` with ``inner`` in its middle, cropped where larger: a size's noise carried over to another size."""
    xp = array_namespace(outer)
    height, width = (min(inner.shape[axis], outer.shape[axis]) for axis in (2, 3))
    down, right = (inner.shape[2] - height) // 2, (inner.shape[3] - width) // 2
    kept = inner[:, :, down : down + height, right : right + width]
    top, left = (outer.shape[2] - height) // 2, (outer.shape[3] - width) // 2
    band = outer[:, :, top : top + height, :]
    middle = xp.concat([band[:, :, :, :left], kept, band[:, :, :, left + width :]], axis=3)
    return xp.concat([outer[:, :, :top, :], middle, outer[:, :, top + height :, :]], axis=2)
