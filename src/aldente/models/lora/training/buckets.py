"""Sizes to train at: pictures of like shapes share one, so that little is cut off and batches are of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from aldente.models.port import Image as Pixels

Size = tuple[int, int]
"""Width and height."""

MOST_STRETCH = 2.0
"""The longest side of a bucket, as a multiple of the side of the square."""


def buckets(area: int, multiple: int, *, least: int = 0) -> tuple[Size, ...]:
    """The sizes whose sides are multiples of ``multiple`` and whose area is at most, and as near as can be to, ``area``.

    No side is shorter than ``least``, nor longer than twice the square's.
    """
    side = math.isqrt(area)
    shortest = max(multiple, least)
    found = set()
    for width in range(shortest, int(side * MOST_STRETCH) + 1, multiple):
        height = min(area // width, int(side * MOST_STRETCH)) // multiple * multiple
        if height >= shortest:
            found |= {(width, height), (height, width)}
    square = max(side // multiple * multiple, shortest)
    return tuple(sorted(found | {(square, square)}))


def bucket_of(width: int, height: int, sizes: Sequence[Size]) -> Size:
    """The size whose shape is nearest to a picture's; of the same shape, the largest."""
    shape = math.log(width / height)
    return min(sizes, key=lambda size: (round(abs(math.log(size[0] / size[1]) - shape), 9), -size[0] * size[1]))


def fitted(pixels: Pixels, size: Size) -> Pixels:
    """The picture (uint8, h w 3) enlarged or shrunk until it covers ``size``, and what juts out cut off on both sides."""
    width, height = size
    tall, wide = pixels.shape[:2]
    if (wide, tall) == size:
        return pixels
    scale = max(width / wide, height / tall)
    box_width, box_height = width / scale, height / scale
    left, top = (wide - box_width) / 2, (tall - box_height) / 2
    picture = Image.fromarray(pixels)
    return np.asarray(
        picture.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + box_width, top + box_height), reducing_gap=3.0)
    )
