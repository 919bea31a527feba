"""Masks: read from a picture, blurred, carried to latents, filled under, and laid over what was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.recipe.stages import Redraw, Refine, Source
from aldente.render.fitting import Size, fitted_mask, size_of
from aldente.render.scene import Canvas, Mask, Scene

_LUMINANCE = (0.299, 0.587, 0.114)

_RADII = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""How A1111 fills a mask: each blur of what is known, in pixels, and how often it is laid over the ones before."""

Floats = NDArray[np.float32]


def mask_of(stage: Redraw | Refine, canvas: Canvas, scene: Scene, size: Size) -> Mask | None:
    """What a pass draws anew, at the picture's size: its own mask, blurred, and what an extension left to fill.

    None where it is everything. Raises UserError for a mask with nothing white in it.
    """
    if not isinstance(stage, Redraw) or not stage.mask:
        return canvas.mask
    start = scene.recipe.start
    fit = start.fit if isinstance(start, Source) else "stretch"
    mask = fitted_mask(brightness(scene.files(stage.mask)), size, fit)
    mask = blurred(255 - mask if stage.mask_invert else mask, stage.mask_blur)
    if canvas.mask is not None:
        mask = np.maximum(mask, canvas.mask)
    if not (mask > 127).any():
        colour = "black" if stage.mask_invert else "white"
        raise UserError(f"mask: the picture has nothing {colour}, so nothing would be drawn; paint it, or unset the mask.")
    return mask


def brightness(image: Image) -> Mask:
    """The luminance of a picture (uint8, h w 3), h w."""
    grey: Mask = np.rint(np.asarray(image, np.float32) @ np.asarray(_LUMINANCE, np.float32)).astype(np.uint8)
    return grey


def blurred(mask: Mask, blur: int) -> Mask:
    """The mask with soft edges: a Gaussian of ``blur`` px, cut off at two and a half of it as A1111 does."""
    if not blur:
        return mask
    soft = gaussian_filter(mask.astype(np.float32), blur, radius=int(2.5 * blur + 0.5), mode="mirror")
    found: Mask = np.rint(soft).astype(np.uint8)
    return found


def doubled(mask: Mask) -> Mask:
    """The mask made stronger, as A1111 lays a whole picture over: what is half masked is drawn."""
    found: Mask = np.minimum(mask.astype(np.uint16) * 2, 255).astype(np.uint8)
    return found


def latent_mask(mask: Mask, scale: int) -> Floats:
    """The mask in latent pixels of ``scale`` px, 1 1 h w: 1 where any of its pixels is more than half masked."""
    height, width = mask.shape[0] // scale, mask.shape[1] // scale
    blocks = mask[: height * scale, : width * scale].reshape(height, scale, width, scale)
    free: Floats = (blocks.max(axis=(1, 3)) > 127).astype(np.float32)[None, None]
    return free


def filled(image: Image, mask: Mask) -> Image:
    """The picture with its surroundings blurred into what is masked."""
    kept = (255 - mask).astype(np.float32) / 255.0
    known = np.concatenate([np.asarray(image, np.float32) * kept[..., None], kept[..., None]], axis=2)
    total: Any = np.zeros_like(known)
    for radius, times in _RADII:
        layer = known if radius == 0 else gaussian_filter(known, (radius, radius, 0), mode="constant", truncate=3.0)
        for _ in range(times):
            total = layer + total * (1.0 - layer[..., 3:])
    colour = total[..., :3] / np.maximum(total[..., 3:], 1e-6)
    found: Image = np.where(mask[..., None] > 0, np.rint(colour.clip(0, 255)).astype(np.uint8), image)
    return found


def overlaid(picture: Image, drawn: Image, mask: Mask) -> Image:
    """``drawn`` where the mask is white, ``picture`` to the last bit where it is black, a blend between."""
    if size_of(picture) != size_of(drawn):
        raise ValueError(f"a picture of {size_of(drawn).said} cannot be laid over one of {size_of(picture).said}")
    share = mask.astype(np.float32)[..., None] / 255.0
    mixed = np.asarray(picture, np.float32) * (1.0 - share) + np.asarray(drawn, np.float32) * share
    found: Image = np.where(mask[..., None] == 0, picture, np.rint(mixed).astype(np.uint8))
    return found
