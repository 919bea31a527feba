"""A picture of any size drawn again in tiles of the model's own size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from aldente.engine.denoise import Asking, Estimate, Latent, answer
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.samplers import find_sampler
from aldente.engine.tiling import Tiling, side_by_side, tiled_in_groups, tiling
from aldente.engine.trajectory import trajectory
from aldente.models.port import Image, Model, ModelInfo
from aldente.recipe.stages import Tiles
from aldente.render.controls import Steering
from aldente.render.fitting import Size, size_of
from aldente.render.keeping import Keeper, keeping
from aldente.render.passes import Pass, finite, pass_of
from aldente.render.prepared import prepared
from aldente.render.reusing import reuses, thrifty
from aldente.render.scene import Canvas, Scene
from aldente.render.tile_codec import decoded, encoded
from aldente.render.tile_denoising import tile_denoisers
from aldente.render.tile_pasting import Passages, pasted
from aldente.render.tile_regions import Regions

BATCHES = 2
"""Full model calls that are asked at a time where tiles are denoised jointly."""


class Measures(NamedTuple):
    """Sizes in px: a tile's side, and by how much tiles overlap or see of their surroundings."""

    size: int
    overlap: int


def measures_of(stage: Tiles, info: ModelInfo) -> Measures:
    """The stage's tiles, or the model's own size and a quarter of it; raises UserError where the model cannot draw them."""
    size = stage.size or max(max(native) for native in info.native)
    if size % info.size_multiple or not info.size_min <= size <= info.size_max:
        raise UserError(
            f"tile_size is {size}; model '{info.name}' draws multiples of {info.size_multiple} px from {info.size_min} to"
            f" {info.size_max}."
        )
    overlap = size // 4 if stage.overlap is None else stage.overlap
    if overlap >= size:
        raise UserError(f"tile_overlap is {overlap}, but a tile is {size} px; choose less than that.")
    return Measures(size, overlap)


def tiled_pass(stage: Tiles, canvas: Canvas, scene: Scene, index: int) -> Asking[Canvas]:
    """The picture drawn again at the stage's strength, as the ``index``-th stage of the scene's recipe.

    Raises UserError where the model cannot draw such tiles, or where a setting would change nothing.
    """
    _refuse_idle(stage)
    if stage.strength == 0.0:
        return canvas
    info = scene.model.info
    measures, run, keeper = measures_of(stage, info), pass_of(scene.recipe, stage, index, scene.model), Keeper(scene, index)
    if stage.mode == "blend":
        drawn = yield from _blended(stage, run, canvas, scene, measures, keeper)
    else:
        image = (
            canvas.picture(scene.model)
            if canvas.pixels is not None
            else decoded(canvas.latent, scene.model, measures.size, wraps=canvas.wraps)
        )
        padded = _padded(image, info)
        regions = Regions(stage, info, measures.size, measures.overlap, *padded.shape[:2])
        pixels = yield from pasted(Passages(run, scene.model, keeper, Steering(scene, size_of(image)), regions), padded)
        drawn = Canvas(pixels=pixels[: image.shape[0], : image.shape[1]], mask=canvas.mask)
    keeper.finish()
    return drawn


def _blended(stage: Tiles, run: Pass, canvas: Canvas, scene: Scene, measures: Measures, keeper: Keeper) -> Asking[Canvas]:
    model = scene.model
    latent, shown = _latent(stage, canvas, model, measures)
    noise = run.noise(model, latent.shape[1:])
    sampler = prepared(run.recipe.sampling, run.levels, noise.churn)
    plan = _tiles(latent, _in_latent(model.info, measures), wraps=stage.wraps)
    steering = Steering(scene, Size(shown[1], shown[0]))
    denoisers = tile_denoisers(run.recipe, model, run.levels, plan, steering, wraps=stage.wraps)
    ask = keeping(side_by_side(denoisers), keeper, len(plan.places), _turns(run, model))
    whole = tiled_in_groups(ask, plan, BATCHES * model.info.rows)
    denoise = thrifty(run.recipe, whole, run.levels, sampler.levels)
    start = run.levels[0].alpha * latent + noise.start
    drawn = finite((yield from trajectory(sampler.sampler, denoise, start, sampler.levels, noise.step, lift=sampler.lift)))
    pixels = decoded(drawn, model, measures.size, wraps=stage.wraps)
    height, width = shown
    fits = pixels.shape[:2] == shown
    return Canvas(pixels=pixels[:height, :width], latent=drawn if fits else None, mask=canvas.mask)


def _turns(run: Pass, model: Model) -> int | None:
    """How often a run asks its denoiser; None where that depends on the picture."""
    sampling, turns = run.recipe.sampling, 0
    if "rtol" in find_sampler(sampling.sampler).options or reuses(sampling):
        return None

    def counting(x: Latent, _: Level) -> Asking[Estimate]:
        nonlocal turns
        turns += 1
        yield from ()
        return Estimate(0.5 * x, 0.5 * x)

    noise = run.noise(model, (model.info.latent_channels, 1, 1))
    made = prepared(sampling, run.levels, noise.churn)
    answer(trajectory(made.sampler, counting, noise.start, made.levels, noise.step, lift=made.lift), lambda query: query.x)
    return turns


def _latent(stage: Tiles, canvas: Canvas, model: Model, measures: Measures) -> tuple[Latent, tuple[int, int]]:
    """The latent that is drawn again, and the size in px (height, width) of what is to be seen of it."""
    info = model.info
    if canvas.latent is not None and not any(side * info.latent_scale % info.size_multiple for side in canvas.latent.shape[2:]):
        height, width = (side * info.latent_scale for side in canvas.latent.shape[2:])
        _refuse_small(info, height, width)
        return canvas.latent, (height, width)
    image = canvas.picture(model)
    padded = _padded(image, info)
    if stage.wraps and padded.shape != image.shape:
        raise UserError(
            f"a seamless picture must have sides that are multiples of {info.size_multiple} px with model '{info.name}';"
            f" this one has {image.shape[1]} x {image.shape[0]}."
        )
    return encoded(padded, model, measures.size, wraps=stage.wraps), image.shape[:2]


def _tiles(latent: Latent, measures: Measures, *, wraps: bool) -> Tiling:
    height, width = latent.shape[2:]
    return tiling(height, width, measures.size, measures.overlap, wraps=wraps)


def _in_latent(info: ModelInfo, measures: Measures) -> Measures:
    return Measures(measures.size // info.latent_scale, measures.overlap // info.latent_scale)


def _padded(image: Image, info: ModelInfo) -> Image:
    """The picture continued by its last pixels to sides that the model can draw; raises UserError where it is too small."""
    height, width = image.shape[:2]
    _refuse_small(info, height, width)
    missing = [math.ceil(side / info.size_multiple) * info.size_multiple - side for side in (height, width)]
    return np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge") if any(missing) else image


def _refuse_small(info: ModelInfo, height: int, width: int) -> None:
    if min(height, width) < info.size_min:
        raise UserError(
            f"a picture of {width} x {height} px is too small to be drawn in tiles by model '{info.name}', which needs"
            f" {info.size_min}; enlarge it first."
        )


def _refuse_idle(stage: Tiles) -> None:
    if stage.mode == "blend" and stage.seam_fix != "none":
        raise UserError(
            f"seam_fix is '{stage.seam_fix}', but blended tiles have no seams to fix; set tile_mode to linear or chess."
        )
    if stage.mode != "blend" and stage.wraps:
        raise UserError(
            f"seamless is set, but tiles of the mode '{stage.mode}' do not go around the edges; use the mode 'blend'."
        )
