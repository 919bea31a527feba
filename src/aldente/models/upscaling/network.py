"""Networks that enlarge by one factor, brought to any size of picture in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL.Image import Resampling, fromarray

from aldente.models.port import Image
from aldente.models.upscaling.port import UpscalerInfo


@dataclass(frozen=True, kw_only=True)
class Network:
    """An enlarging network that sees a picture in blocks.

    ``run`` enlarges one block by ``info.factor``. A block is ``core`` pixels of the given picture wide and high, and is seen
    with ``margin`` pixels around it.
    """

    info: UpscalerInfo
    run: Callable[[Image], Image]
    core: int
    margin: int

    def enlarge(self, image: Image, width: int, height: int) -> Image:
        """The picture (uint8, h w 3) at ``width`` x ``height``: enlarged until no smaller, then resampled with Lanczos."""
        larger = np.ascontiguousarray(image)
        while larger.shape[1] < width or larger.shape[0] < height:
            larger = self._multiplied(larger)
        if larger.shape[:2] == (height, width):
            return larger
        return np.asarray(fromarray(larger).resize((width, height), Resampling.LANCZOS))

    def _multiplied(self, image: Image) -> Image:
        assert self.info.factor is not None
        factor, (height, width) = self.info.factor, image.shape[:2]
        larger = np.empty((factor * height, factor * width, 3), np.uint8)

        for top, left in product(range(0, height, self.core), range(0, width, self.core)):
            bottom, right = min(top + self.core, height), min(left + self.core, width)
            above, before = max(top - self.margin, 0), max(left - self.margin, 0)
            block = self.run(np.ascontiguousarray(image[above : bottom + self.margin, before : right + self.margin]))
            rows = slice(factor * (top - above), factor * (bottom - above))
            columns = slice(factor * (left - before), factor * (right - before))
            larger[factor * top : factor * bottom, factor * left : factor * right] = block[rows, columns]
        return larger
