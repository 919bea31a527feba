"""The picture at another size: its latent resampled, or its pixels enlarged by an upscaler."""

from __future__ import annotations

import numpy as np

from aldente.engine.denoise import Latent
from aldente.engine.interpolation import METHODS, resized
from aldente.recipe.stages import Resize
from aldente.render.fitting import Size, fitted, fitted_mask, size_of
from aldente.render.passes import latent_in
from aldente.render.scene import Canvas, Scene
from aldente.render.sizes import sizes_of


def enlarged(stage: Resize, canvas: Canvas, scene: Scene, index: int) -> Canvas:
    """The canvas at the size that the stage says; where that has another shape, the middle is kept.

    A latent upscaler leaves a latent, a pixel upscaler pixels. Raises UserError for an upscaler that is not known.
    """
    size = sizes_of(scene.recipe, scene.model.info)[index]
    mask = None if canvas.mask is None else fitted_mask(canvas.mask, size, "crop")
    method = latent_method(stage, scene)
    if method is not None:
        return Canvas(latent=_resampled(canvas, scene, size, method), mask=mask)
    picture = canvas.picture(scene.model)
    cover = _cover(size_of(picture), size)
    pixels = picture if cover == size_of(picture) else np.asarray(scene.upscaler(stage.upscaler).enlarge(picture, *cover))
    return Canvas(pixels=fitted(pixels, size, "crop"), mask=mask)


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
