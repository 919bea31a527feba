"""What a recipe asks of the model, counted before it is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from aldente.engine.denoise import Query, answer
from aldente.engine.tiling import tiling
from aldente.models.port import Model, ModelInfo
from aldente.recipe.recipe import Recipe
from aldente.recipe.stages import Base, Redraw, Refine, Tiles
from aldente.render.fitting import Size
from aldente.render.passes import Pass, first_pass, pass_of, run_pass
from aldente.render.reusing import without_reuse
from aldente.render.sizes import drawn_size, sizes_of
from aldente.render.strength import levels_from
from aldente.render.tile_denoising import around
from aldente.render.tile_regions import Regions
from aldente.render.tiles import measures_of


@dataclass(frozen=True, kw_only=True)
class StageCalls:
    """So many model calls of one ``size`` (of what the model draws at once, in px) by the stage at ``index``."""

    index: int
    stage: str
    calls: int
    size: Size


def calls_of(recipe: Recipe, model: Model) -> tuple[StageCalls, ...]:
    """The model calls of every stage that draws, by size; the engine runs each on one pixel, with a model that answers at once.

    Nothing is taken as shared, kept or foretold, so it is an upper bound; it is exact but for samplers that choose their steps
    and for step caching, and needs no picture. Raises UserError for a recipe whose sampling cannot be done.
    """
    found = []
    for index, size in enumerate(sizes_of(recipe, model.info)):
        found += list(_of_stage(recipe, index, size, model))
    return tuple(found)


def _of_stage(recipe: Recipe, index: int, size: Size, model: Model) -> Iterator[StageCalls]:
    stage = recipe.stages[index]
    if isinstance(stage, Base):
        calls = _count(first_pass(recipe, model), model) * _views(recipe, size, model.info)
        yield StageCalls(index=index, stage=stage.kind, calls=calls, size=size)
    elif isinstance(stage, Redraw | Refine) and (drawn := drawn_size(recipe, index, size)) is not None:
        calls = _count(pass_of(recipe, stage, index, model), model) * _views(recipe, size, model.info)
        yield StageCalls(index=index, stage=stage.kind, calls=calls, size=drawn)
    elif isinstance(stage, Tiles) and stage.strength > 0.0:
        run = pass_of(recipe, stage, index, model)
        for (strength, tile), number in Counter(_tiles(stage, size, model.info)).items():
            levels = levels_from(run.recipe.sampling, model.info, strength, stage.rule)
            calls = number * _count(replace(run, levels=levels), model)
            yield StageCalls(index=index, stage=stage.kind, calls=calls, size=tile)


def _views(recipe: Recipe, size: Size, info: ModelInfo) -> int:
    """How often a picture that is drawn whole is asked about at a time: more than once where it repeats."""
    scale = info.latent_scale
    return len(around(info, size.height // scale, size.width // scale).places) if recipe.start.seamless else 1


def _tiles(stage: Tiles, size: Size, info: ModelInfo) -> Iterator[tuple[float, Size]]:
    """The strength and size of each of a picture's tiles."""
    measures = measures_of(stage, info)
    width, height = (math.ceil(side / info.size_multiple) * info.size_multiple for side in size)
    if stage.mode == "blend":
        scale = info.latent_scale
        side, overlap = measures.size // scale, measures.overlap // scale
        plan = tiling(height // scale, width // scale, side, overlap, wraps=stage.wraps)
        tile = Size(*(len(strip[0].weights) * scale for strip in (plan.columns, plan.rows)))
        yield from [(stage.strength, tile)] * (len(plan.rows) * len(plan.columns))
        return
    for turn in Regions(stage, info, measures.size, measures.overlap, height, width).turns():
        if turn.strength == 0.0:
            continue
        windows = (region.window for regions in turn.rounds for region in regions)
        yield from ((turn.strength, Size(across.stop - across.start, down.stop - down.start)) for down, across in windows)


def _count(run: Pass, model: Model) -> int:
    asked = 0

    def instant(query: Query) -> object:
        nonlocal asked
        asked += query.x.shape[0]
        return 0.5 * query.x

    nothing = np.zeros((1, model.info.latent_channels, 1, 1), np.float32)
    answer(run_pass(replace(run, recipe=without_reuse(run.recipe)), model, nothing), instant)
    return asked
