"""Pictures and latents of any size through a model's encoder and decoder: in overlapping tiles, blended."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.engine.tiling import Blend, Strip, Tiling, around_ends, enlarged, tiling, window
from aldente.models.port import Image, Model, ModelInfo

ROWS = 8
"""Tiles decoded in one call: enough to keep the processor busy."""

Line = NDArray[np.float32]


def encode_tiles(image: Image, model: Model, plan: Tiling) -> Latent:
    """The latent, 1 c h w, of a picture (uint8, h w 3) by the tiles of a plan in latent pixels."""
    scale = model.info.latent_scale
    pixels = _finer(plan, scale)
    around = around_ends(np.asarray(image).transpose(2, 0, 1)[None], pixels)
    blend = Blend(np.zeros((1, model.info.latent_channels, 1, 1), np.float32), plan)
    for row, fine_row in zip(plan.rows, pixels.rows, strict=True):
        for column, fine_column in zip(plan.columns, pixels.columns, strict=True):
            tile = window(around, fine_row, fine_column)[0].transpose(1, 2, 0)
            blend.add(np.asarray(model.encode_image(np.ascontiguousarray(tile))), row, column)
    return blend.result()


def decode_tiles(latent: Latent, model: Model, plan: Tiling) -> Image:
    """The picture (uint8, h w 3) of a latent (1 c h w) by the tiles of a plan in latent pixels.

    Only the rows of tiles that are being blended are held in floating point: the picture itself is as large as it is.
    """
    pixels = _finer(plan, model.info.latent_scale)
    around = around_ends(latent, plan)
    picture = np.empty((pixels.height, pixels.width, 3), np.uint8)

    @lru_cache(maxsize=_together(plan.rows))
    def line(index: int) -> Line:
        return _line(around, plan.rows[index], plan, pixels, model)

    for top, bottom in pairwise(_borders(pixels)):
        total = np.zeros((1, 3, bottom - top, pixels.width), np.float32)
        for index, row in enumerate(pixels.rows):
            first = (top - row.start) % pixels.height
            if first < len(row.weights):
                rows = slice(first, first + bottom - top)
                total += line(index)[:, :, rows] * np.asarray(row.weights[rows], np.float32)[:, None]
        picture[top:bottom] = np.rint(total[0]).clip(0, 255).transpose(1, 2, 0)
    return picture


def encoded(image: Image, model: Model, size: int, *, wraps: bool) -> Latent:
    """The latent of a picture by tiles of twice ``size`` px, where the model can: around the edges if it ``wraps``."""
    scale = model.info.latent_scale
    height, width = (side // scale for side in image.shape[:2])
    return encode_tiles(image, model, _larger(height, width, size, model.info, wraps=wraps))


def decoded(latent: Latent, model: Model, size: int, *, wraps: bool) -> Image:
    """The picture of a latent by tiles of twice ``size`` px, where the model can: around the edges if it ``wraps``."""
    height, width = latent.shape[2:]
    return decode_tiles(latent, model, _larger(height, width, size, model.info, wraps=wraps))


def _larger(height: int, width: int, size: int, info: ModelInfo, *, wraps: bool) -> Tiling:
    side = min(2 * size, info.size_max // info.size_multiple * info.size_multiple) // info.latent_scale
    return tiling(height, width, side, side // 4, wraps=wraps)


def _line(around: Latent, row: Strip, plan: Tiling, pixels: Tiling, model: Model) -> Line:
    """The tiles of one row of the grid, decoded and blended sideways, 1 3 h w from 0 to 255."""
    size = len(row.weights) * model.info.latent_scale
    across = Tiling(height=size, width=pixels.width, rows=(Strip(start=0, weights=(1.0,) * size),), columns=pixels.columns)
    blend = Blend(np.zeros((1, 3, 1, 1), np.float32), across)
    for first in range(0, len(plan.columns), ROWS):
        tiles = [window(around, row, column) for column in plan.columns[first : first + ROWS]]
        for place, tile in zip(pixels.columns[first:], model.decode(np.concatenate(tiles)), strict=False):
            blend.add(tile.transpose(2, 0, 1)[None].astype(np.float32), across.rows[0], place)
    line: Line = blend.result()
    return line


def _together(places: tuple[Strip, ...]) -> int:
    """How many strips lie over one another at most."""
    stride = min((second.start - first.start for first, second in pairwise(places)), default=1)
    return 1 + len(places[0].weights) // stride


def _borders(pixels: Tiling) -> list[int]:
    """Where any row of tiles begins or ends, and the ends of the picture."""
    ends = {end % pixels.height for row in pixels.rows for end in (row.start, row.stop)}
    return sorted({0, pixels.height, *ends})


def _finer(plan: Tiling, scale: int) -> Tiling:
    height, width = plan.height * scale, plan.width * scale
    rows, columns = enlarged(plan.rows, scale, height), enlarged(plan.columns, scale, width)
    return Tiling(height=height, width=width, rows=rows, columns=columns)
