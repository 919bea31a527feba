"""Where tiles that are pasted lie: the tiles of Ultimate SD Upscale, and what its seam fixes draw again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError
from aldente.models.port import ModelInfo
from aldente.recipe.stages import Tiles

Weights = NDArray[np.float32]

Profile = Callable[[float], float]
"""The weight of a new picture at a place along one axis."""


class Side(NamedTuple):
    """A region along one axis: the pixels that are drawn, ``start`` to ``stop``, and how much of each is pasted."""

    start: int
    stop: int
    weights: Weights


class Region(NamedTuple):
    """A part of a picture to be drawn again."""

    rows: Side
    columns: Side

    @property
    def window(self) -> tuple[slice, slice]:
        """Its pixels."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    @property
    def mask(self) -> Weights:
        """How much of each pixel is pasted, h w."""
        mask: Weights = self.rows.weights[:, None] * self.columns.weights[None, :]
        return mask


class Turn(NamedTuple):
    """One passage over the picture: rounds of regions that do not wait for one another, drawn at a strength."""

    strength: float
    rounds: list[list[Region]]


class Regions(NamedTuple):
    """What the regions of a picture of ``height`` x ``width`` depend on."""

    stage: Tiles
    info: ModelInfo
    size: int
    overlap: int
    height: int
    width: int

    def turns(self) -> list[Turn]:
        """The tiles, then the seams."""
        rows, columns = _cuts(self.height, self.size), _cuts(self.width, self.size)
        tiles = [
            [self._region(self._tile(rows, r), self._tile(columns, c)) for c in range(_gaps(columns))]
            for r in range(_gaps(rows))
        ]
        if self.stage.mode == "linear":
            rounds = [[tile] for line in tiles for tile in line]
        else:
            rounds = [
                [tile for r, line in enumerate(tiles) for c, tile in enumerate(line) if (r + c) % 2 == odd] for odd in (0, 1)
            ]
        seams = self._seams(rows, columns)
        return [
            Turn(self.stage.strength, [regions for regions in rounds if regions]),
            *([Turn(self.stage.seam_denoise, seams)] if seams else []),
        ]

    def _seams(self, rows: list[int], columns: list[int]) -> list[list[Region]]:
        """Regions along the upright seams, along the level ones, and at their crossings."""
        if self.stage.seam_fix == "none":
            return []
        width = self.stage.seam_width if self.stage.seam_fix == "band" else self.size
        upright = [
            self._region(self._piece(rows, r), self._across(x, width, self.width))
            for x in columns[1:-1]
            for r in range(_gaps(rows))
        ]
        level = [
            self._region(self._across(y, width, self.height), self._piece(columns, c))
            for y in rows[1:-1]
            for c in range(_gaps(columns))
        ]
        crossing = [
            self._region(self._across(y, width, self.height), self._across(x, width, self.width))
            for y in rows[1:-1]
            for x in columns[1:-1]
        ]
        chosen = [upright, level, *([crossing] if self.stage.seam_fix == "half_cross" else [])]
        return [regions for regions in chosen if regions]

    def _tile(self, cuts: list[int], index: int) -> _Extent:
        return _Extent(cuts[index], cuts[index + 1], cuts[-1], self.overlap, box(*_ends(cuts, index), self.stage.mask_blur))

    def _piece(self, cuts: list[int], index: int) -> _Extent:
        profile = box(*_ends(cuts, index), self.stage.seam_blur)
        return _Extent(cuts[index], cuts[index + 1], cuts[-1], self.stage.seam_padding, profile)

    def _across(self, seam: int, width: int, length: int) -> _Extent:
        half = width // 2
        return _Extent(seam - half, seam + half, length, self.stage.seam_padding, tent(seam, half))

    def _region(self, rows: _Extent, columns: _Extent) -> Region:
        return Region(rows.side(self.info), columns.side(self.info))


class _Extent(NamedTuple):
    """What is to be drawn along one axis: ``first`` to ``last`` of ``length``, seen with ``padding`` around it."""

    first: int
    last: int
    length: int
    padding: int
    profile: Profile

    def side(self, info: ModelInfo) -> Side:
        """The pixels that are drawn: as many as the model can draw at once, beginning on a pixel of its latent.

        Raises UserError where that is more than the model draws.
        """
        scale, multiple = info.latent_scale, info.size_multiple
        start = max(self.first - self.padding, 0) // scale * scale
        needed = max(min(self.last + self.padding, self.length) - start, info.size_min)
        size = min(math.ceil(needed / multiple) * multiple, self.length)
        if size > info.size_max:
            raise UserError(
                f"a tile and its surroundings are {size} px, but model '{info.name}' draws at most {info.size_max} px;"
                " lower tile_size, tile_overlap, tile_blur, seam_width or seam_padding."
            )
        start = min(start, self.length - size)
        return Side(
            start, start + size, np.asarray([self.profile(place + 0.5) for place in range(start, start + size)], np.float32)
        )


def box(first: float, last: float, blur: float) -> Profile:
    """1 between two places and 0 beyond, blurred by a normal distribution of that spread."""

    def rise(distance: float) -> float:
        return (
            float(distance > 0)
            if not blur or math.isinf(distance)
            else 0.5 * (1.0 + math.erf(distance / blur / math.sqrt(2.0)))
        )

    return lambda place: rise(place - first) - rise(place - last)


def tent(centre: float, half: float) -> Profile:
    """1 at the centre, falling to 0 at ``half`` on either side."""
    return lambda place: max(0.0, 1.0 - abs(place - centre) / half)


def _cuts(length: int, size: int) -> list[int]:
    return [*range(0, length, size), length]


def _gaps(cuts: list[int]) -> int:
    return len(cuts) - 1


def _ends(cuts: list[int], index: int) -> tuple[float, float]:
    """A tile's ends; at the picture's own ends it does not fade."""
    first, last = cuts[index], cuts[index + 1]
    return -math.inf if index == 0 else first, math.inf if index == _gaps(cuts) - 1 else last
