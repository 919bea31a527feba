"""The first stage: a picture from noise, or one that is there."""

from __future__ import annotations

import numpy as np

from aldente.engine.denoise import Asking
from aldente.engine.errors import UserError
from aldente.recipe.stages import Source
from aldente.render.controls import steers_of
from aldente.render.fitting import Size, fitted
from aldente.render.levels import levels_of
from aldente.render.passes import Pass, run_pass
from aldente.render.scene import Canvas, Scene


def drawn_from_noise(scene: Scene) -> Asking[Canvas]:
    """The picture of a recipe that begins with noise."""
    recipe, info = scene.recipe, scene.model.info
    run = Pass(recipe=recipe, levels=levels_of(recipe.sampling, info), number=0)
    nothing = np.zeros(
        (1, info.latent_channels, recipe.height // info.latent_scale, recipe.width // info.latent_scale), np.float32
    )
    steers = steers_of(scene, Size(recipe.width, recipe.height))
    latent = yield from run_pass(run, scene.model, nothing, steers=steers)
    return Canvas(latent=latent)


def source(stage: Source, scene: Scene) -> Canvas:
    """The picture that a recipe begins with, at the recipe's size. Raises UserError where none is given."""
    if not stage.image:
        raise UserError("image is not given, so there is nothing to start from; give a picture's file, or begin with noise.")
    image = np.asarray(scene.files(stage.image))
    return Canvas(pixels=fitted(image, Size(scene.recipe.width, scene.recipe.height), stage.fit))
