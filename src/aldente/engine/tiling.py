"""Latents larger than a model's own size: overlapping tiles, each denoised alone, blended into one estimate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from array_api_compat import array_namespace, device

from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, together
from aldente.engine.errors import UserError
from aldente.engine.levels import Level

Group = Callable[[Mapping[int, Latent], Level], Asking[list[Estimate]]]
"""The estimates of several tiles, asked in one go; each tile has its number in the plan, row by row."""


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

    @property
    def places(self) -> tuple[tuple[Strip, Strip], ...]:
        """Where each tile lies (row, column), by its number."""
        return tuple((row, column) for row in self.rows for column in self.columns)


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
    return _weighed(starts, size, length)


def enlarged(places: Sequence[Strip], factor: int, length: int) -> tuple[Strip, ...]:
    """The same strips on an axis ``factor`` times as fine, ``length`` in all."""
    return _weighed([place.start * factor for place in places], len(places[0].weights) * factor, length)


def _weighed(starts: Sequence[int], size: int, length: int) -> tuple[Strip, ...]:
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


def side_by_side(denoiser: Callable[[int], Denoiser]) -> Group:
    """For each tile the denoiser of its number, all of them asked at the same time."""
    return lambda tiles, level: together([denoiser(number)(tile, level) for number, tile in tiles.items()])


def tiled(denoise: Denoiser, plan: Tiling) -> Denoiser:
    """The denoiser that asks ``denoise`` about all tiles in one go and blends the answers [Bar-Tal 2023].

    Guide outside of it where the guidance remembers: ``guided(combine, tiled(cond, plan), tiled(uncond, plan))``.
    """
    return tiled_in_groups(side_by_side(lambda _: denoise), plan, len(plan.rows) * len(plan.columns))


def tiled_in_groups(ask: Group, plan: Tiling, count: int) -> Denoiser:
    """As ``tiled``, ``count`` tiles at a time: what is alive at once does not grow with the picture, but for the latent."""
    places = list(enumerate(plan.places))
    groups = [places[first : first + count] for first in range(0, len(places), count)]

    def denoise_tiles(x: Latent, level: Level) -> Asking[Estimate]:
        around = around_ends(x, plan)
        clean = Blend(x, plan)
        base = clean
        for group in groups:
            tiles = {number: window(around, *place) for number, place in group}
            estimates = yield from ask(tiles, level)
            if base is clean and any(estimate.base is not estimate.clean for estimate in estimates):
                base = clean.copy()
            for (_, (row, column)), estimate in zip(group, estimates, strict=True):
                clean.add(estimate.clean, row, column)
                if base is not clean:
                    base.add(estimate.base, row, column)
        blended = clean.result()
        return Estimate(blended, blended if base is clean else base.result())

    return denoise_tiles


class Blend:
    """A canvas like ``like`` (b c and kind of number) of a plan's size, on which weighted tiles are laid one by one."""

    def __init__(self, like: Latent, plan: Tiling) -> None:
        shape = (*like.shape[:2], _reach(plan.rows), _reach(plan.columns))
        self._plan = plan
        self._canvas = array_namespace(like).zeros(shape, dtype=like.dtype, device=device(like))

    def add(self, tile: Latent, row: Strip, column: Strip) -> None:
        """Lay a tile on its place."""
        xp = array_namespace(tile)
        down, across = (xp.asarray(place.weights, dtype=tile.dtype, device=device(tile)) for place in (row, column))
        weighted = tile * xp.reshape(down, (-1, 1)) * xp.reshape(across, (1, -1))
        self._canvas[:, :, row.start : row.stop, column.start : column.stop] += weighted

    def copy(self) -> Blend:
        """Another canvas with the same tiles."""
        other = Blend(self._canvas, self._plan)
        other._canvas += self._canvas
        return other

    def result(self) -> Latent:
        """The blended tiles; what lies beyond an end is added to the beginning."""
        canvas = self._canvas
        for axis, length in ((2, self._plan.height), (3, self._plan.width)):
            beyond = canvas.shape[axis] - length
            if beyond:
                start = _slice(canvas, axis, 0, beyond) + _slice(canvas, axis, length, length + beyond)
                canvas = array_namespace(canvas).concat([start, _slice(canvas, axis, beyond, length)], axis=axis)
        return canvas


def around_ends(x: Latent, plan: Tiling) -> Latent:
    """``x`` continued with its own beginnings, as far as the plan's tiles reach."""
    for axis, places in ((2, plan.rows), (3, plan.columns)):
        missing = _reach(places) - x.shape[axis]
        x = array_namespace(x).concat([x, _slice(x, axis, 0, missing)], axis=axis) if missing else x
    return x


def window(around: Latent, row: Strip, column: Strip) -> Latent:
    """The tile at a place of what ``around_ends`` gave."""
    return around[:, :, row.start : row.stop, column.start : column.stop]


def _reach(places: Sequence[Strip]) -> int:
    return max(place.stop for place in places)


def _slice(x: Latent, axis: int, start: int, stop: int) -> Latent:
    return x[:, :, start:stop, :] if axis == 2 else x[:, :, :, start:stop]
