"""What the tests of tiles share: a picture, a scene of one tiled pass, drawing it, and what it asked."""

from __future__ import annotations

import itertools

import numpy as np

from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.stages import Base, Tiles
from aldente.render.batching import Drive, Job, Limits
from aldente.render.scene import Canvas, Scene
from aldente.render.tiles import tiled_pass


def picture(height=160, width=208) -> np.ndarray:
    """Discs, stripes and a slow gradient: what tiles could tear."""
    y, x = np.mgrid[:height, :width].astype(float)
    disc = np.hypot(y - height / 2, x - width / 2) < height / 3
    stripes = 40 * np.sin(x / 9) * ~disc
    plane = np.stack([60 + 140 * disc + stripes, 90 + 100 * y / height - stripes, 200 - 120 * x / width], axis=-1)
    return plane.clip(0, 255).astype(np.uint8)


def scene(model, stage, **more) -> Scene:
    recipe = set_parameters(Recipe(), {"prompt": "a red apple, 3d render", "steps": 10, "cfg": 2.0, "seed": 11})
    recipe = recipe.model_copy(update={"stages": (Base(), stage)})
    return Scene(recipe=recipe, model=model, files=None, upscaler=None, **more)


def drawn(model, canvas, *, notes=None, checkpoints=None, rows=None, **stage) -> Canvas:
    """The tiled pass over a canvas (or picture), driven to its end; raises what it raises."""
    tiles = Tiles(**stage)
    where = scene(model, tiles, checkpoints=checkpoints, note=None if notes is None else notes.append)
    canvas = canvas if isinstance(canvas, Canvas) else Canvas(pixels=canvas)
    job = Job(key=0, start=lambda: tiled_pass(tiles, canvas, where, 1))
    limits = Limits(rows=rows or model.info.rows)
    (outcome,) = Drive([job], model.estimate, clock=itertools.count().__next__, limits=limits)
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


class Counting:
    """A model that counts the rows it was asked for, and may be killed or fail after some."""

    def __init__(self, model, *, fails_after=None) -> None:
        self._model, self._fails_after = model, fails_after
        self.info, self.runtime = model.info, model.runtime
        self.encode, self.encode_image, self.decode = model.encode, model.encode_image, model.decode
        self.rows = 0

    def estimate(self, x, levels, conditions):
        if self._fails_after is not None and self.rows >= self._fails_after:
            raise RuntimeError("the power went out")
        self.rows += len(levels)
        return self._model.estimate(x, levels, conditions)
