"""The picture drawn again from a strength: everywhere, under a mask, or only around the mask at full size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aldente.engine.denoise import Asking, Latent
from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.recipe.stages import Content, Redraw, Refine
from aldente.render.controls import Steer, Steering, steerable, steers_of
from aldente.render.cropping import Box, around, cut_out, put_back
from aldente.render.fitting import Size, size_of
from aldente.render.masks import doubled, filled, latent_mask, mask_of, overlaid
from aldente.render.noise import content_noise
from aldente.render.passes import Keeping, Pass, latent_in, pass_of, run_pass, seed_of
from aldente.render.scene import Canvas, Mask, Scene
from aldente.render.sizes import sizes_of


class Hole(NamedTuple):
    """What a masked pass fills: a ``picture``, its ``mask``, and its latent if it is known already."""

    picture: Image
    mask: Mask
    latent: Latent | None


def redrawn(stage: Redraw | Refine, canvas: Canvas, scene: Scene, index: int) -> Asking[Canvas]:
    """The canvas drawn again; at strength 0 it is left as it is.

    What is drawn everywhere stays a latent. Under a mask the picture is pixels again, those that the mask keeps the very same.
    Raises UserError for a mask with nothing to draw, and for a method that the model has not.
    """
    if stage.strength == 0.0:
        return canvas
    size = sizes_of(scene.recipe, scene.model.info)[index]
    alone = isinstance(stage, Redraw) and stage.area == "only_masked"
    working = Size(scene.recipe.width, scene.recipe.height) if alone else size
    run = pass_of(scene.recipe, stage, index, scene.model, working)
    mask = mask_of(stage, canvas, scene, size)
    if mask is None:
        start = latent_in(canvas, scene)
        if canvas.wraps:
            latent = yield from run_pass(run, scene.model, start, repeating=Steering(scene, size))
        else:
            latent = yield from run_pass(run, scene.model, start, steers=steers_of(scene, size))
        return Canvas(latent=latent, wraps=canvas.wraps)
    picture = canvas.picture(scene.model)
    if isinstance(stage, Redraw) and stage.area == "only_masked":
        pixels = yield from _around_mask(stage, Hole(picture, mask, None), run, scene)
    else:
        hole = Hole(picture, mask, canvas.latent)
        drawn = yield from _filled(stage, hole, run, scene, steers_of(scene, size))
        pixels = overlaid(picture, drawn, doubled(mask))
    return Canvas(pixels=pixels)


def _around_mask(stage: Redraw, hole: Hole, run: Pass, scene: Scene) -> Asking[Image]:
    """The picture with the part around the mask drawn at the recipe's size and put back, faded out by the mask."""
    working = Size(scene.recipe.width, scene.recipe.height)
    box: Box = around(hole.mask, stage.padding, working)
    part = Hole(cut_out(hole.picture, box, working), cut_out(hole.mask, box, working), None)
    steers = steers_of(scene, size_of(hole.picture), box=box, size=working)
    drawn = yield from _filled(stage, part, run, scene, steers)
    return overlaid(hole.picture, put_back(hole.picture, drawn, box), hole.mask)


def _filled(stage: Redraw | Refine, hole: Hole, run: Pass, scene: Scene, steers: tuple[Steer, ...]) -> Asking[Image]:
    """The picture with what the model draws in the hole, and what its decoder makes of the rest."""
    model = scene.model
    content: Content = stage.content if isinstance(stage, Redraw) else "original"
    picture = filled(hole.picture, hole.mask) if content == "fill" else hole.picture
    known = hole.latent if hole.latent is not None and content != "fill" else model.encode_image(np.ascontiguousarray(picture))
    free = latent_mask(hole.mask, model.info.latent_scale)
    start = _start(content, known, free, run)
    if _by_model(stage, scene):
        hint = steerable(model).inpainting(hole.picture, np.where(hole.mask > 127, np.uint8(255), np.uint8(0)))
        steers = (*steers, Steer(hint, 1.0))
    latent = yield from run_pass(run, model, start, steers=steers, keeping=Keeping(known=known, free=free))
    image: Image = model.decode(latent)[0]
    return image


def _start(content: Content, known: Latent, free: Latent, run: Pass) -> Latent:
    """What lies under the mask before any noise."""
    if content in ("fill", "original"):
        return known
    empty = known * (1.0 - free)
    if content == "latent_nothing":
        return empty
    noise = content_noise(seed_of(run.recipe, run.number), run.recipe.sampling.rng, known.shape[1:], stage=run.number)
    return empty + noise * free


def _by_model(stage: Redraw | Refine, scene: Scene) -> bool:
    method = stage.method if isinstance(stage, Redraw) else "auto"
    if method == "model" and not scene.model.info.inpaints:
        raise UserError(
            f"inpaint_method is 'model', but model '{scene.model.info.name}' was not trained to fill masks; choose 'latent'."
        )
    return scene.model.info.inpaints and method != "latent"
