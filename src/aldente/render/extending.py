"""More picture on any side: the outermost pixels drawn out and ever more blurred, for the next pass to draw over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from aldente.models.port import Image
from aldente.recipe.stages import Extend
from aldente.render.scene import Canvas, Mask, Scene

_RADII = (1, 2, 4, 8, 16, 32, 64)
"""The blurs in px; each reigns at twice its radius from the old picture."""

Floats = NDArray[np.float32]


def extended(stage: Extend, canvas: Canvas, scene: Scene) -> Canvas:
    """The canvas with more on its sides, and the mask of all that is new, fading into ``blur`` px of the old picture."""
    picture = canvas.picture(scene.model)
    sides = ((stage.top, stage.bottom), (stage.left, stage.right))
    new = np.pad(np.zeros(picture.shape[:2], dtype=bool), sides, constant_values=True)
    if not new.any():
        return canvas
    mask = _fading(new, stage.blur)
    if canvas.mask is not None:
        mask = np.maximum(mask, np.pad(canvas.mask, sides))
    return Canvas(pixels=_drawn_out(picture, sides, new), mask=mask)


def _drawn_out(picture: Image, sides: tuple[tuple[int, int], tuple[int, int]], new: NDArray[np.bool_]) -> Image:
    """The picture with its edge repeated, blurred the more the farther it lies from where it was."""
    wide = np.pad(picture, (*sides, (0, 0)), mode="edge")
    away: Floats = distance_transform_edt(new).astype(np.float32)
    mixed: Floats = wide.astype(np.float32)
    for radius in _RADII:
        share = np.clip(away / radius - 1.0, 0.0, 1.0)[..., None]
        if not share.any():
            break
        mixed = mixed * (1.0 - share) + share * gaussian_filter(wide.astype(np.float32), (radius, radius, 0), mode="nearest")
    found: Image = np.where(new[..., None], np.rint(mixed).clip(0, 255).astype(np.uint8), wide)
    return found


def _fading(new: NDArray[np.bool_], blur: int) -> Mask:
    """White on all that is new; in the old picture falling to black within ``blur`` px, as half a wave of a cosine."""
    share: Floats = np.clip(distance_transform_edt(~new) / (blur + 1), 0.0, 1.0).astype(np.float32)
    mask: Mask = np.rint(127.5 * (1.0 + np.cos(np.pi * share))).astype(np.uint8)
    return mask
