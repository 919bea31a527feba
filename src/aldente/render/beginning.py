"""The first stage: a picture from noise, or one that is there."""

from __future__ import annotations

import numpy as np

from aldente.engine.denoise import Asking
from aldente.recipe.stages import Source
from aldente.render.controls import Steering, steers_of
from aldente.render.fitting import Size, fitted
from aldente.render.passes import first_pass, run_pass
from aldente.render.scene import Canvas, Scene


def drawn_from_noise(scene: Scene) -> Asking[Canvas]:
    """The picture of a recipe that begins with noise."""
    recipe, info = scene.recipe, scene.model.info
    run = first_pass(recipe, scene.model)
    nothing = np.zeros(
        (1, info.latent_channels, recipe.height // info.latent_scale, recipe.width // info.latent_scale), np.float32
    )
    size = Size(recipe.width, recipe.height)
    if recipe.start.seamless:
        latent = yield from run_pass(run, scene.model, nothing, repeating=Steering(scene, size))
        return Canvas(latent=latent, wraps=True)
    latent = yield from run_pass(run, scene.model, nothing, steers=steers_of(scene, size))
    return Canvas(latent=latent)


def source(stage: Source, scene: Scene) -> Canvas:
    """The picture that a recipe begins with, at the recipe's size."""
    image = np.asarray(scene.files(stage.image))
    return Canvas(pixels=fitted(image, Size(scene.recipe.width, scene.recipe.height), stage.fit))
