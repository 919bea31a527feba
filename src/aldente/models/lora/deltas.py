"""What a LoRA adds to a weight: LoRA [Hu 2021], LoCon, LoHa and LoKr [Yeh 2023]. The same lines for NumPy and torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aldente.engine.errors import UserError

Weights = Any
"""An array of NumPy or torch."""


def delta(pieces: Mapping[str, Weights], shape: tuple[int, ...], where: str, xp: Any) -> Weights:
    """What the pieces of one module add to its weight of this shape, at a strength of 1; ``xp`` is numpy or torch.

    Raises UserError, naming ``where``, for pieces that are missing or do not fit.
    """
    try:
        added = _added(pieces, xp)
        if math.prod(added.shape) != math.prod(shape) or added.shape[0] != shape[0]:
            raise ValueError(f"it adds {tuple(added.shape)} to a weight of {shape}")
        return added.reshape(shape)
    except (ValueError, RuntimeError, KeyError, IndexError) as error:
        told = f"the piece {error} is missing" if isinstance(error, KeyError) else str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"{where} does not fit: {told}; it is damaged or of another architecture.") from error


def rank(pieces: Mapping[str, Weights]) -> int | None:
    """The rank that an alpha is relative to; None where there is none."""
    for name, side in (("down", 0), ("hada_w1_b", 0), ("lokr_w1_b", 0), ("lokr_w2_b", 0)):
        if name in pieces:
            return int(pieces[name].shape[side])
    return None


def _added(pieces: Mapping[str, Weights], xp: Any) -> Weights:
    if "diff" in pieces:
        return pieces["diff"]
    if "hada_w1_a" in pieces:
        whole = _hadamard(pieces, "1", xp) * _hadamard(pieces, "2", xp)
    elif "lokr_w1" in pieces or "lokr_w1_a" in pieces:
        whole = _kronecker(pieces, xp)
    else:
        whole = _low_rank(pieces, xp)
    return whole * _scale(pieces)


def _scale(pieces: Mapping[str, Weights]) -> float:
    """Alpha over rank; 1 where either is missing."""
    count = rank(pieces)
    return float(pieces["alpha"]) / count if "alpha" in pieces and count else 1.0


def _low_rank(pieces: Mapping[str, Weights], xp: Any) -> Weights:
    up, down = pieces["up"], pieces["down"]
    if "mid" in pieces:
        narrow, wide = _matrix(up), _matrix(down)
        return xp.einsum("or,rshw,si->oihw", narrow, pieces["mid"], wide)
    product = _matrix(up) @ _matrix(down)
    return product.reshape(product.shape[0], *down.shape[1:])


def _hadamard(pieces: Mapping[str, Weights], number: str, xp: Any) -> Weights:
    a, b = pieces[f"hada_w{number}_a"], pieces[f"hada_w{number}_b"]
    if f"hada_t{number}" in pieces:
        return xp.einsum("ijkl,jr,ip->prkl", pieces[f"hada_t{number}"], b, a)
    return a @ b


def _kronecker(pieces: Mapping[str, Weights], xp: Any) -> Weights:
    one = pieces["lokr_w1"] if "lokr_w1" in pieces else pieces["lokr_w1_a"] @ pieces["lokr_w1_b"]
    if "lokr_w2" in pieces:
        two = pieces["lokr_w2"]
    elif "lokr_t2" in pieces:
        two = xp.einsum("ijkl,ip,jr->prkl", pieces["lokr_t2"], pieces["lokr_w2_a"], pieces["lokr_w2_b"])
    else:
        a, b = pieces["lokr_w2_a"], pieces["lokr_w2_b"]
        two = (a @ _matrix(b)).reshape(a.shape[0], *b.shape[1:])
    if len(two.shape) == 4:
        one = one.reshape(*one.shape, 1, 1)
    return xp.kron(one, two)


def _matrix(piece: Weights) -> Weights:
    return piece.reshape(piece.shape[0], -1)


def decomposed(weight: Weights, added: Weights, magnitude: Weights, xp: Any) -> Weights:
    """What DoRA adds to a weight: its sum with ``added``, brought to the magnitudes that were learned [Liu 2024, Eq. 5]."""
    whole = weight + added
    flat = whole.reshape(whole.shape[0], -1)
    if int(math.prod(magnitude.shape)) == whole.shape[0]:
        length = xp.sqrt((flat * flat).sum(1)).reshape(-1, *(1,) * (len(whole.shape) - 1))
        return whole * (magnitude.reshape(length.shape) / length) - weight
    columns = xp.sqrt((flat * flat).sum(0)).reshape(1, *whole.shape[1:])
    return whole * (magnitude.reshape(1, *whole.shape[1:]) / columns) - weight
