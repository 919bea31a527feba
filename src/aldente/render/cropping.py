"""The part of a picture around a mask: where it lies, how it is cut out at the working size, and put back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aldente.models.port import Image
from aldente.render.fitting import Size, fitted, size_of
from aldente.render.scene import Mask


class Box(NamedTuple):
    """A part of a picture, in px."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Its width and height."""
        return Size(self.right - self.left, self.bottom - self.top)


def around(mask: Mask, padding: int, working: Size) -> Box:
    """The smallest box about all that is masked and ``padding`` px more, grown to the shape of the ``working`` size.

    Where the picture ends, the box is moved rather than cut; it is cut where the picture itself has another shape.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    whole = size_of(mask)
    left, right = _grown(int(columns[0]) - padding, int(columns[-1]) + 1 + padding, 0, whole.width)
    top, bottom = _grown(int(rows[0]) - padding, int(rows[-1]) + 1 + padding, 0, whole.height)
    width = round((bottom - top) * working.width / working.height)
    height = round((right - left) * working.height / working.width)
    left, right = _grown(left, right, width, whole.width)
    top, bottom = _grown(top, bottom, height, whole.height)
    return Box(left, top, right, bottom)


def _grown(start: int, stop: int, length: int, whole: int) -> tuple[int, int]:
    """The span, at least ``length`` long, within ``whole``."""
    missing = max(length - (stop - start), 0)
    start, stop = start - missing // 2, stop + missing - missing // 2
    if missing:
        shift = max(-start, 0) - max(stop - whole, 0)
        start, stop = start + shift, stop + shift
    return max(start, 0), min(stop, whole)


def cut_out(image: Image, box: Box, size: Size) -> Image:
    """The part of a picture or mask in the box, at ``size``."""
    return fitted(image[box.top : box.bottom, box.left : box.right], size, "stretch")


def put_back(picture: Image, part: Image, box: Box) -> Image:
    """The picture with a part in its place, brought to the size of the box."""
    whole = np.array(picture)
    whole[box.top : box.bottom, box.left : box.right] = fitted(part, box.size, "stretch")
    return whole
