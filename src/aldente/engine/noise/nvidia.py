"""The noise of an NVIDIA card, as A1111's RNG source 'NV' draws it without one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aldente.engine.noise.sequence import Stream

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)

Words = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]


def nv(seed: int) -> Stream:
    """Draws as torch.randn on CUDA after manual_seed(seed), one array after the other, float32.

    Each draw takes one number per element: element i of draw d is at counter (d, 0, i, 0) of Philox 4x32-10 [Salmon 2011].
    """
    drawn = 0

    def draw(shape: Sequence[int]) -> NDArray[np.float32]:
        nonlocal drawn
        elements = np.arange(math.prod(shape), dtype=np.uint64)
        zeros = np.zeros_like(elements)
        first, second, _, _ = philox((np.full_like(elements, drawn), zeros, elements, zeros), seed)
        drawn += 1
        radius = np.sqrt(-2.0 * np.log((first + 0.5) * 2.0**-32))
        angle = (second + 0.5) * (2.0 * np.pi * 2.0**-32)
        numbers: NDArray[np.float32] = (radius * np.sin(angle)).astype(np.float32)
        return numbers.reshape(shape)

    return draw


def philox(counter: Words, seed: int) -> Words:
    """Four words of 32 random bits for each counter of four, held in 64-bit arrays [Salmon 2011, Sec. 3.3]."""
    c0, c1, c2, c3 = counter
    for turn in range(_ROUNDS):
        k0, k1 = (np.uint64((part + turn * step) & 0xFFFFFFFF) for part, step in zip((seed, seed >> 32), _WEYL, strict=True))
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> _WORD) ^ c1 ^ k0, p1 & _LOW, (p0 >> _WORD) ^ c3 ^ k1, p0 & _LOW
    return c0, c1, c2, c3
