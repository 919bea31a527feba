"""Tiles one after the other, each drawn again by img2img and pasted with a soft mask, as Ultimate SD Upscale does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from aldente.engine.denoise import Asking, Denoiser, Latent, together
from aldente.engine.levels import Level
from aldente.engine.masking import inpainted
from aldente.engine.noise import Stream, brownian, find_rng, in_order, independent, initial, normal
from aldente.engine.trajectory import StepNoise, trajectory
from aldente.models.port import Image, Model
from aldente.render.conditioning import denoiser_of
from aldente.render.controls import Steering
from aldente.render.cropping import Box
from aldente.render.keeping import Keeper, digest
from aldente.render.passes import Pass, finite, seed_of
from aldente.render.prepared import prepared
from aldente.render.reusing import thrifty
from aldente.render.strength import levels_from
from aldente.render.tile_regions import Region, Regions, Turn, Weights

FREE = 0.0625
"""From this share of new picture on a pixel is drawn anew; what has less keeps the latent that it has."""


class Passages(NamedTuple):
    """What all passages over a picture share: how it is drawn again, by which model, and what steers it where."""

    run: Pass
    model: Model
    keeper: Keeper
    steering: Steering
    regions: Regions


def pasted(whole: Passages, image: Image) -> Asking[Image]:
    """The picture (uint8, h w 3) with all its tiles, and then its seams, drawn again."""
    picture = np.array(image)
    turns = [(number, turn) for number, turn in enumerate(whole.regions.turns()) if turn.strength > 0.0]
    for number, turn in turns:
        drawing = _Drawing(whole, turn, turn=number, turns=len(turns), shape=image.shape)
        done = 0
        for now in turn.rounds:
            before = picture if len(now) == 1 else picture.copy()
            for group in _groups(list(enumerate(now, done)), 2 * whole.model.info.rows):
                fresh = yield from together([drawing.drawn(before, region, place) for place, region in group])
                _paste(picture, [region for _, region in group], fresh)
            done += len(now)
    return picture


def _paste(picture: Image, regions: Sequence[Region], fresh: Sequence[Image]) -> None:
    """Lay new pixels over the regions of a picture, which is changed."""
    for region, pixels in zip(regions, fresh, strict=True):
        picture[region.window] = _mixed(picture[region.window], pixels, region.mask)


def _groups(items: list[tuple[int, Region]], count: int) -> Iterator[list[tuple[int, Region]]]:
    return (items[first : first + count] for first in range(0, len(items), count))


def _mixed(old: Image, new: Image, mask: Weights) -> Image:
    weight = mask[:, :, None]
    mixed: Image = np.rint(weight * new + (1.0 - weight) * old).astype(np.uint8)
    return mixed


class _Noise(NamedTuple):
    unit: Latent
    step: StepNoise
    churn: StepNoise


class _Drawing:
    """What all tiles of one passage share."""

    def __init__(self, whole: Passages, passage: Turn, *, turn: int, turns: int, shape: tuple[int, ...]) -> None:
        run, model = whole.run, whole.model
        self._recipe, self._model, self._keeper, self._steering = run.recipe, model, whole.keeper, whole.steering
        self._seed, self._purpose = seed_of(run.recipe, run.number), f"{run.number}/{turn}"
        self._levels = levels_from(run.recipe.sampling, model.info, passage.strength, whole.regions.stage.rule)
        self._unsteered: Denoiser = denoiser_of(run.recipe, model, self._levels)
        self._total, self._turns = sum(map(len, passage.rounds)), turns
        self._rng, scale = find_rng(run.recipe.sampling.rng), model.info.latent_scale
        height, width = shape[0] // scale, shape[1] // scale
        like = np.zeros((1, model.info.latent_channels, height, width), np.float32)
        # One noise for the whole picture: where tiles overlap they begin alike.
        self._unit = initial([self._named("initial")], like) if self._rng.by_level else None

    def drawn(self, before: Image, region: Region, number: int) -> Asking[Image]:
        """The pixels of a region, drawn again from what is there."""
        pixels = np.ascontiguousarray(before[region.window])
        part = digest(self._purpose, str(number), pixels.tobytes())
        kept = yield from self._keeper.kept(part, lambda: self._redrawn(pixels, region, number))
        self._keeper.count(1, self._total, self._turns)
        return kept

    def _redrawn(self, pixels: Image, region: Region, number: int) -> Asking[Image]:
        known = self._model.encode_image(pixels)
        noise = self._noise(region, number, known)
        first: Level = self._levels[0]
        run = prepared(self._recipe.sampling, self._levels, noise.churn)
        start = first.alpha * known + first.sigma * noise.unit
        denoise = thrifty(self._recipe, self._denoiser(region), self._levels, run.levels)
        denoise = inpainted(denoise, known, noise.unit, self._free(region.mask))
        latent = yield from trajectory(run.sampler, denoise, start, run.levels, noise.step, lift=run.lift)
        image: Image = self._model.decode(finite(latent))[0]
        return image

    def _denoiser(self, region: Region) -> Denoiser:
        if not self._steering:
            return self._unsteered
        box = Box(region.columns.start, region.rows.start, region.columns.stop, region.rows.stop)
        return denoiser_of(self._recipe, self._model, self._levels, self._steering.over(box, wraps=False))

    def _free(self, mask: Weights) -> Latent:
        scale = self._model.info.latent_scale
        height, width = mask.shape
        mean = mask.reshape(height // scale, scale, width // scale, scale).mean(axis=(1, 3))
        return (mean >= FREE).astype(np.float32)[None, None]

    def _noise(self, region: Region, number: int, like: Latent) -> _Noise:
        """Noise of a region; other programs draw the same for every tile."""
        seed, scale = self._seed, self._model.info.latent_scale
        if self._unit is None:
            stream = self._rng.stream(seed)
            unit, step = initial([stream], like), in_order([stream], like)
            return _Noise(unit, step, step)
        rows, columns = (slice(side.start // scale, side.stop // scale) for side in region)
        path = brownian([seed], like, purpose=f"step/tiles/{self._purpose}/{number}")
        churn = independent([seed], like, purpose=f"churn/tiles/{self._purpose}/{number}")
        return _Noise(np.ascontiguousarray(self._unit[:, :, rows, columns]), path, churn)

    def _named(self, kind: str) -> Stream:
        return partial(normal, self._seed, f"{kind}/tiles/{self._purpose}", (0,))
