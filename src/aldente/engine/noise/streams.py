"""Noise by name: every number follows from (seed, purpose, index), never from what was drawn before or beside it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.engine.noise.gaussian import Floats, gaussian

Bits = Callable[[Sequence[int], int], NDArray[np.uint64]]
"""``bits(index, count)``: that many words of 64 random bits at an index of up to three numbers below 2^64."""


def source(seed: int, purpose: str) -> Bits:
    """The random bits of ``seed`` for one purpose, by Philox: a keyed function, here addressed by counter [Salmon 2011].

    Different purposes never share a number, so that initial noise says nothing about step noise.
    """
    key = np.array([seed, int.from_bytes(blake2b(purpose.encode(), digest_size=8).digest(), "little")], dtype=np.uint64)
    generator = np.random.Philox(counter=0, key=key)
    state: Any = generator.state

    def bits(index: Sequence[int], count: int) -> NDArray[np.uint64]:
        state["state"]["counter"][:] = (0, *index, *(0,) * (3 - len(index)))
        generator.state = state
        words: NDArray[np.uint64] = generator.random_raw(count)
        return words

    return bits


def normal(seed: int, purpose: str, index: Sequence[int], shape: Sequence[int]) -> Floats:
    """Unit normal noise of ``shape`` at (seed, purpose, index), the same on every machine."""
    count = math.prod(shape)
    return gaussian(source(seed, purpose)(index, (count + 1) // 2))[:count].reshape(shape)


def float_bits(value: float) -> int:
    """The 64 bits of a float: an index that tells apart any two different levels."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(bits)


def per_image(draws: Sequence[Callable[[tuple[int, ...]], NDArray[Any]]], like: Latent) -> Latent:
    """A batch whose row i is ``draws[i](c h w)``, in the library, precision and device of ``like`` (b c h w).

    Raises ValueError unless there is a draw for each row of ``like``.
    """
    if len(draws) != like.shape[0]:
        raise ValueError(f"{len(draws)} streams of noise for {like.shape[0]} images")
    rows = np.stack([draw(tuple(like.shape[1:])) for draw in draws])
    return array_namespace(like).asarray(rows, dtype=like.dtype, device=device(like))
