"""The picture at another size: its latent resampled, or its pixels enlarged by an upscaler."""

from __future__ import annotations

import math

import numpy as np

from aldente.engine.denoise import Latent
from aldente.engine.errors import UserError
from aldente.engine.interpolation import METHODS, resized
from aldente.recipe.stages import Resize
from aldente.render.fitting import Size, fitted, fitted_mask, size_of
from aldente.render.passes import latent_in
from aldente.render.scene import Canvas, Scene
from aldente.render.sizes import sizes_of

SEEN = 16
"""How many pixels beyond an edge what enlarges looks at, at least."""


def enlarged(stage: Resize, canvas: Canvas, scene: Scene, index: int) -> Canvas:
    """The canvas at the size that the stage says; where that has another shape, the middle is kept.

    A latent upscaler leaves a latent, a pixel upscaler pixels. Raises UserError for an upscaler that is not known.
    """
    size = sizes_of(scene.recipe, scene.model.info)[index]
    mask = None if canvas.mask is None else fitted_mask(canvas.mask, size, "crop")
    method = latent_method(stage, scene)
    if canvas.wraps:
        return _around(stage, canvas, scene, size, method)
    if method is not None:
        return Canvas(latent=_resampled(canvas, scene, size, method), mask=mask)
    picture = canvas.picture(scene.model)
    cover = _cover(size_of(picture), size)
    pixels = picture if cover == size_of(picture) else np.asarray(scene.upscaler(stage.upscaler).enlarge(picture, *cover))
    return Canvas(pixels=fitted(pixels, size, "crop"), mask=mask)


def _around(stage: Resize, canvas: Canvas, scene: Scene, size: Size, method: str | None) -> Canvas:
    """A picture that repeats at another size: enlarged together with what lies around its edges.

    Raises UserError where the new size has another shape: a part of it would not repeat.
    """
    scale = scene.model.info.latent_scale
    if method is not None:
        known = latent_in(canvas, scene)
        wanted, have = Size(size.width // scale, size.height // scale), Size(known.shape[3], known.shape[2])
    else:
        picture = canvas.picture(scene.model)
        wanted, have = size, size_of(picture)
    if _cover(have, wanted) != wanted:
        raise UserError(
            f"tiling is set, but {size.said} has another shape than the picture, so that it would be cut; unset one."
        )
    (left, more_left), (top, more_top) = (_margin(*sides) for sides in zip(have, wanted, strict=True))
    whole = Size(wanted.width + 2 * more_left, wanted.height + 2 * more_top)
    down, across = (slice(more, more + side) for more, side in ((more_top, wanted.height), (more_left, wanted.width)))
    if method is not None:
        wide = np.pad(known, ((0, 0), (0, 0), (top, top), (left, left)), mode="wrap")
        return Canvas(
            latent=np.ascontiguousarray(resized(wide, whole.height, whole.width, method)[:, :, down, across]), wraps=True
        )
    wide = np.pad(picture, ((top, top), (left, left), (0, 0)), mode="wrap")
    pixels = np.asarray(scene.upscaler(stage.upscaler).enlarge(wide, *whole))
    return Canvas(pixels=pixels[down, across], wraps=True)


def _margin(have: int, wanted: int) -> tuple[int, int]:
    """How much is seen beyond an edge, before and after: at least ``SEEN``, and whole pixels both times."""
    shared = math.gcd(have, wanted)
    times = math.ceil(SEEN * shared / have)
    return times * have // shared, times * wanted // shared


def latent_method(stage: Resize, scene: Scene) -> str | None:
    """The way of resizing latents that an upscaler is; None for one of pixels. Raises UserError for one that is not known."""
    if stage.upscaler in METHODS:
        return stage.upscaler
    info = scene.upscaler(stage.upscaler).info
    return info.name if info.space == "latent" else None


def _resampled(canvas: Canvas, scene: Scene, size: Size, method: str) -> Latent:
    scale = scene.model.info.latent_scale
    latent = latent_in(canvas, scene)
    target = Size(size.width // scale, size.height // scale)
    cover = _cover(Size(latent.shape[3], latent.shape[2]), target)
    large = resized(latent, cover.height, cover.width, method)
    left, top = (cover.width - target.width) // 2, (cover.height - target.height) // 2
    return np.ascontiguousarray(large[:, :, top : top + target.height, left : left + target.width])


def _cover(have: Size, size: Size) -> Size:
    """The smallest size of the shape of ``have`` that covers ``size``; one that is off by a rounding is ``size`` itself."""
    ratio = max(size.width / have.width, size.height / have.height)
    cover = Size(*(max(side, round(old * ratio)) for side, old in zip(size, have, strict=True)))
    near = all(abs(a - b) <= max(1, 0.02 * b) for a, b in zip(cover, size, strict=True))
    return size if near else cover
