"""The denoisers of tiles, and of pictures that repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from aldente.engine.denoise import Denoiser
from aldente.engine.levels import Level
from aldente.engine.tiling import Tiling, side_by_side, tiled_in_groups, tiling
from aldente.models.port import Model, ModelInfo
from aldente.recipe.recipe import Recipe
from aldente.render.conditioning import denoiser_of
from aldente.render.controls import Steering
from aldente.render.cropping import Box


def tile_denoisers(
    recipe: Recipe, model: Model, levels: Sequence[Level], plan: Tiling, steering: Steering, *, wraps: bool
) -> Callable[[int], Denoiser]:
    """The denoiser of each tile of a plan, by its number: the same for all but for what of the control pictures lies there."""
    if not steering:
        alike = denoiser_of(recipe, model, levels)
        return lambda _: alike
    places, scale = plan.places, model.info.latent_scale

    @cache
    def of_tile(number: int) -> Denoiser:
        row, column = places[number]
        box = Box(*(side * scale for side in (column.start, row.start, column.stop, row.stop)))
        return denoiser_of(recipe, model, levels, steering.over(box, wraps=wraps))

    return of_tile


def around(info: ModelInfo, height: int, width: int) -> Tiling:
    """The tiles of the model's own size that go around the edges of a latent of ``height`` x ``width``."""
    size = max(max(native) for native in info.native) // info.latent_scale
    return tiling(height, width, size, size // 4, wraps=True)


def seamless(recipe: Recipe, model: Model, levels: Sequence[Level], plan: Tiling, steering: Steering) -> Denoiser:
    """The denoiser of a picture that repeats without a seam: each tile of the plan has edges elsewhere [Bar-Tal 2023]."""
    ask = side_by_side(tile_denoisers(recipe, model, levels, plan, steering, wraps=True))
    return tiled_in_groups(ask, plan, len(plan.places))
