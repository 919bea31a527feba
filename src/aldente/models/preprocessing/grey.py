"""Pictures and planes of grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.models.port import Image

WEIGHTS = (0.299, 0.587, 0.114)
"""How bright red, green and blue are: the luma of Rec. 601."""


def grey_of(image: Image) -> NDArray[np.float32]:
    """The luma of a picture, h w, 0 to 255."""
    return np.asarray(image, np.float32) @ np.asarray(WEIGHTS, np.float32)


def picture_of(plane: NDArray[Any]) -> Image:
    """A plane of numbers from 0 to 255, h w, as a grey picture, uint8, h w 3."""
    whole = np.rint(plane.clip(0, 255)).astype(np.uint8)
    return np.repeat(whole[..., None], 3, axis=2)
