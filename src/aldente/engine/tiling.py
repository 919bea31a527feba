"""Latents larger than a model's own size: overlapping tiles, each denoised alone, blended into one estimate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from array_api_compat import array_namespace, device

from aldente.engine.conditioning import mixed
from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, together
from aldente.engine.errors import UserError
from aldente.engine.levels import Level


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Where a tile lies along one axis: its first pixel and the weight of each of its pixels."""

    start: int
    weights: tuple[float, ...]

    @property
    def stop(self) -> int:
        """The pixel after its last; beyond the end where the strip wraps around."""
        return self.start + len(self.weights)


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """A grid of tiles over a latent of ``height`` x ``width``: every row strip crossed with every column strip."""

    height: int
    width: int
    rows: tuple[Strip, ...]
    columns: tuple[Strip, ...]


def strips(length: int, size: int, overlap: int, *, wraps: bool = False) -> tuple[Strip, ...]:
    """The fewest strips of ``size`` pixels that cover ``length`` and overlap by ``overlap`` or more, spread evenly.

    At each pixel the weights of all strips sum to 1. With ``wraps`` they go around the end, at least two of them.
    Raises UserError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise UserError(f"tiles of {size} latent pixels cannot overlap by {overlap}; choose an overlap from 0 to {size - 1}.")
    size, stride = min(size, length), size - overlap
    if wraps:
        count = max(2, math.ceil(length / min(stride, size)))
        starts = [round(i * length / count) for i in range(count)]
    else:
        gaps = math.ceil((length - size) / stride)
        starts = [round(i * (length - size) / max(gaps, 1)) for i in range(gaps + 1)]
    # The tent never reaches zero: a pixel under one tile only must keep its weight.
    tent = [float(min(i + 1, size - i)) for i in range(size)]
    total = [0.0] * length
    for start in starts:
        for i, weight in enumerate(tent):
            total[(start + i) % length] += weight
    return tuple(
        Strip(start=start, weights=tuple(w / total[(start + i) % length] for i, w in enumerate(tent))) for start in starts
    )


def tiling(height: int, width: int, size: int, overlap: int, *, wraps: bool = False) -> Tiling:
    """Square tiles of ``size`` latent pixels over ``height`` x ``width``; ``wraps`` makes a texture that repeats seamlessly."""
    rows, columns = (strips(length, size, overlap, wraps=wraps) for length in (height, width))
    return Tiling(height=height, width=width, rows=rows, columns=columns)


def tiled(denoise: Denoiser, plan: Tiling) -> Denoiser:
    """The denoiser that asks ``denoise`` about all tiles in one go and blends the answers [Bar-Tal 2023].

    Guide outside of it where the guidance remembers: ``guided(combine, tiled(cond, plan), tiled(uncond, plan))``.
    """

    def denoise_tiles(x: Latent, level: Level) -> Asking[Estimate]:
        around = _extended(_extended(x, 2, _reach(plan.rows)), 3, _reach(plan.columns))
        tiles = [around[:, :, row.start : row.stop, column.start : column.stop] for row in plan.rows for column in plan.columns]
        estimates = yield from together([denoise(tile, level) for tile in tiles])
        return mixed(estimates, lambda answers: _blended(answers, plan))

    return denoise_tiles


def _blended(tiles: Sequence[Latent], plan: Tiling) -> Latent:
    """The weighted tiles, row by row of the grid, laid on one canvas."""
    across = len(plan.columns)
    lines = [tiles[i : i + across] for i in range(0, len(tiles), across)]
    return _laid([_laid(line, plan.columns, 3, plan.width) for line in lines], plan.rows, 2, plan.height)


def _laid(parts: Sequence[Latent], places: Sequence[Strip], axis: int, length: int) -> Latent:
    """The sum of the parts, weighted and padded to their places along ``axis``; beyond the end begins the start."""
    xp, reach = array_namespace(parts[0]), _reach(places)

    def weighted(part: Latent, place: Strip) -> Latent:
        weights = xp.asarray(place.weights, dtype=part.dtype, device=device(part))
        return _padded(part * xp.reshape(weights, (-1, 1) if axis == 2 else (1, -1)), axis, place.start, reach)

    total = reduce(add, map(weighted, parts, places))
    if reach == length:
        return total
    beyond = _padded(_slice(total, axis, length, reach), axis, 0, length)
    return _slice(total, axis, 0, length) + beyond


def _reach(places: Sequence[Strip]) -> int:
    return max(place.stop for place in places)


def _extended(x: Latent, axis: int, reach: int) -> Latent:
    """``x`` continued along ``axis`` with its own beginning, up to ``reach``."""
    missing = reach - x.shape[axis]
    return array_namespace(x).concat([x, _slice(x, axis, 0, missing)], axis=axis) if missing else x


def _padded(x: Latent, axis: int, before: int, length: int) -> Latent:
    """``x`` with zeros before and after it along ``axis``, ``length`` in all."""
    xp = array_namespace(x)
    sizes = (before, length - before - x.shape[axis])
    shapes = [tuple(size if i == axis else n for i, n in enumerate(x.shape)) for size in sizes]
    front, back = (xp.zeros(shape, dtype=x.dtype, device=device(x)) for shape in shapes)
    return xp.concat([front, x, back], axis=axis)


def _slice(x: Latent, axis: int, start: int, stop: int) -> Latent:
    return x[:, :, start:stop, :] if axis == 2 else x[:, :, :, start:stop]
