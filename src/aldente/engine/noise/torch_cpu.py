"""The noise of torch.randn on a CPU, drawn without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aldente.engine.noise.sequence import Stream

_BLOCK = 16
_HALF = _BLOCK // 2


def cpu(seed: int) -> Stream:
    """Draws as torch.randn on the CPU after manual_seed(seed), one array after the other, float32.

    Arrays of 16 and more are made in blocks of 16, the last block drawn anew where the size is no multiple; smaller ones
    number by number in double precision, the second of a pair kept for the next small array. torch computes with its
    processor's own logarithm and cosine: the numbers agree to single precision, not to the last bit.
    """
    generator = mersenne(seed)
    kept: list[float] = []

    def one() -> float:
        if kept:
            return kept.pop()
        words = [int(word) for word in generator.random_raw(4)]
        turn, share = (((words[i] << 32 | words[i + 1]) & (2**53 - 1)) * 2.0**-53 for i in (0, 2))
        radius = math.sqrt(-2.0 * math.log1p(-share))
        kept.append(radius * math.sin(2.0 * math.pi * turn))
        return radius * math.cos(2.0 * math.pi * turn)

    def blocks(count: int) -> NDArray[np.float32]:
        words = generator.random_raw(count * _BLOCK).reshape(count, 2, _HALF)
        uniform = ((words & np.uint64(0xFFFFFF)) * 2.0**-24).astype(np.float32).astype(np.float64)
        radius, angle = np.sqrt(-2.0 * np.log(1.0 - uniform[:, 0])), 2.0 * np.pi * uniform[:, 1]
        pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return pairs.astype(np.float32).reshape(count * _BLOCK)

    def draw(shape: Sequence[int]) -> NDArray[np.float32]:
        count = math.prod(shape)
        if count < _BLOCK:
            return np.array([one() for _ in range(count)], dtype=np.float32).reshape(shape)
        whole, rest = divmod(count, _BLOCK)
        flat = blocks(whole)
        if rest:
            # torch fills the unfinished block with uniform numbers first and then throws them away.
            generator.random_raw(rest)
            flat = np.concatenate([flat[: count - _BLOCK], blocks(1)])
        return flat.reshape(shape)

    return draw


def mersenne(seed: int) -> np.random.MT19937:
    """The Mersenne twister as C++ seeds it, from the low 32 bits of ``seed`` [Matsumoto 1998]."""
    key = [seed & 0xFFFFFFFF]
    for i in range(1, 624):
        key.append((1812433253 * (key[-1] ^ (key[-1] >> 30)) + i) & 0xFFFFFFFF)
    generator = np.random.MT19937()
    generator.state = {"bit_generator": "MT19937", "state": {"key": np.array(key, dtype=np.uint32), "pos": 624}}
    return generator
