"""Pictures and masks brought to a size: stretched, cropped or filled, as A1111's resize modes do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image as Pictures
from PIL.Image import Resampling

from aldente.models.port import Image
from aldente.recipe.stages import Fit
from aldente.render.scene import Mask


class Size(NamedTuple):
    """A width and a height in px."""

    width: int
    height: int

    @property
    def said(self) -> str:
        """The size as people write it."""
        return f"{self.width}x{self.height}"


def size_of(image: Image) -> Size:
    """The size of a picture (h w 3) or mask (h w)."""
    return Size(image.shape[1], image.shape[0])


def fitted(image: Image, size: Size, fit: Fit, *, kernel: Resampling = Resampling.LANCZOS) -> Image:
    """The picture at exactly ``size``; a picture that has it already is itself.

    ``crop`` keeps the middle, ``fill`` repeats the outermost pixels where the picture does not reach.
    """
    have = size_of(image)
    if have == size:
        return image
    if fit == "stretch":
        return _scaled(image, size, kernel)
    ratios = (size.width / have.width, size.height / have.height)
    ratio = max(ratios) if fit == "crop" else min(ratios)
    sides = Size(*(max(1, round(side * ratio)) for side in have))
    scaled = _scaled(image, sides, kernel)
    return _cut(scaled, size) if fit == "crop" else _padded(scaled, size)


def fitted_mask(mask: Mask, size: Size, fit: Fit) -> Mask:
    """The mask at exactly ``size``; each pixel is the mean of what it covers."""
    found: Mask = fitted(mask, size, fit, kernel=Resampling.BOX)
    return found


def _scaled(image: Image, size: Size, kernel: Resampling) -> Image:
    if size_of(image) == size:
        return image
    return np.asarray(Pictures.fromarray(np.ascontiguousarray(image)).resize(size, kernel))


def _cut(image: Image, size: Size) -> Image:
    left, top = (image.shape[1] - size.width) // 2, (image.shape[0] - size.height) // 2
    return image[top : top + size.height, left : left + size.width]


def _padded(image: Image, size: Size) -> Image:
    left, top = (size.width - image.shape[1]) // 2, (size.height - image.shape[0]) // 2
    right, bottom = size.width - image.shape[1] - left, size.height - image.shape[0] - top
    return np.pad(image, ((top, bottom), (left, right), *((0, 0),) * (image.ndim - 2)), mode="edge")
