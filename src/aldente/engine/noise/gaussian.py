"""Uniform bits to normal numbers, with the same bits on every machine.

Only additions, multiplications, divisions and square roots of IEEE numbers are used: the logarithm, sine and cosine of NumPy
differ in their last bit between processors. Single precision is enough for noise, and exact in double precision too: a run
in either sees the same noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_HALF_ROOT = np.uint32(0x3F3504F3)
"""The bits of sqrt(1/2) as a float: mantissas are taken from there to sqrt(2)."""

_ONE = np.uint32(0x3F800000)
_LOG = (2 / 9, 2 / 7, 2 / 5, 2 / 3, 2.0)
_SINE = (-1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1.0)
_COSINE = (1 / 479001600, -1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2, 1.0)


def gaussian(bits: NDArray[np.uint64]) -> Floats:
    """Two independent normal numbers from each 64 bits, along a last axis twice as long [Box 1958]."""
    words = bits.astype("<u8", copy=False).view("<u4")
    count = bits.shape[-1]
    radius = _logarithm(words[..., :count])
    radius *= np.float32(-2.0)
    np.sqrt(radius, out=radius)
    turn = words[..., count:]
    # The angle spans half a turn about 0; the lowest bit chooses the side.
    angle = turn.view("<i4").astype(np.float32)
    angle *= np.float32(np.pi / 2**32)
    square = angle * angle
    side = np.float32(1.0) - (turn & np.uint32(1)).astype(np.float32) * np.float32(2.0)
    numbers = np.empty(words.shape, dtype=np.float32)
    np.multiply(radius, _polynomial(_SINE, square) * angle, out=numbers[..., :count])
    np.multiply(radius, _polynomial(_COSINE, square) * side, out=numbers[..., count:])
    return numbers


def _logarithm(whole: NDArray[np.uint32]) -> Floats:
    """ln((whole + 1/2) / 2^32), from the mantissa's odd series."""
    share = whole.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)
    bits = share.view(np.uint32) + (_ONE - _HALF_ROOT)
    exponent = (bits >> np.uint32(23)).astype(np.float32) - np.float32(127.0)
    mantissa = ((bits & np.uint32(0x007FFFFF)) + _HALF_ROOT).view(np.float32)
    ratio = (mantissa - np.float32(1.0)) / (mantissa + np.float32(1.0))
    return ratio * _polynomial(_LOG, ratio * ratio) + exponent * np.float32(np.log(2.0))


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    total: Any = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += np.float32(coefficient)
    return total  # type: ignore[no-any-return]
