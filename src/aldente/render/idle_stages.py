"""Which settings of a stage cannot have an effect beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aldente.recipe.recipe import Recipe
from aldente.recipe.stages import Base, Extend, Redraw, Refine, Resize, Source, Stage, Tiles

_SEAM = ("seam_denoise", "seam_width", "seam_blur", "seam_padding")


class Idle(NamedTuple):
    """Fields of a stage that must be left at their defaults, because of something else that the recipe says."""

    fields: tuple[str, ...]
    because: str


def draws(stage: Stage) -> bool:
    """Whether a stage has the model draw anything."""
    return isinstance(stage, Base) or (isinstance(stage, Redraw | Refine | Tiles) and stage.strength > 0.0)


def idle_in(recipe: Recipe, index: int) -> Iterator[Idle]:
    """What of stage ``index`` would change nothing if it were set."""
    stage = recipe.stages[index]
    if isinstance(stage, Base | Source):
        yield from _of_start(recipe)
    elif isinstance(stage, Redraw | Refine | Tiles) and stage.strength == 0.0:
        name = {"redraw": "denoise", "refine": "hires_denoise", "tiles": "tile_denoise"}[stage.kind]
        yield Idle(_others(stage, "strength"), f"{name} is 0, which leaves the picture as it is; raise it or unset the others")
    elif isinstance(stage, Redraw):
        yield from _of_redraw(stage, extended=_is_extended(recipe, index))
    elif isinstance(stage, Extend):
        yield from _of_extend(recipe, stage, index)
    elif isinstance(stage, Resize) and stage.scale is not None:
        yield Idle(("width", "height"), "upscale_by gives the size already; unset it or these")
    elif isinstance(stage, Tiles):
        yield from _of_tiles(stage)


def _others(stage: Stage, *but: str) -> tuple[str, ...]:
    return tuple(name for name in type(stage).model_fields if name not in ("kind", *but))


def _is_extended(recipe: Recipe, index: int) -> bool:
    """Whether an extension before stage ``index`` is still to be filled."""
    for stage in reversed(recipe.stages[:index]):
        if isinstance(stage, Extend):
            return True
        if isinstance(stage, Redraw | Refine) and stage.strength > 0.0:
            return False
    return False


def _of_start(recipe: Recipe) -> Iterator[Idle]:
    """A picture repeats that is drawn from noise as a whole, and by every pass over it."""
    tiles = [stage for stage in recipe.stages if isinstance(stage, Tiles) and stage.strength > 0.0]
    if isinstance(recipe.start, Source):
        yield Idle(("seamless",), "image is given, which repeats only if it does already; unset it or the picture")
    elif any(isinstance(stage, Redraw | Extend) for stage in recipe.stages):
        yield Idle(("seamless",), "the picture is redrawn by denoise or extended, which leaves seams; unset it or these")
    elif any(not stage.wraps for stage in tiles):
        yield Idle(("seamless",), "the tiles do not go around the edges; set seamless too")


def _of_redraw(stage: Redraw, *, extended: bool) -> Iterator[Idle]:
    if not stage.mask:
        yield Idle(("mask_invert", "mask_blur"), "mask is not given; give it a picture's file")
    if not stage.mask and not extended:
        masked = ("content", "area", "padding", "method")
        yield Idle(masked, "mask is not given and nothing is extended; give it a picture's file")
    if stage.area == "whole":
        yield Idle(("padding",), "inpaint_area is 'whole'; set it to only_masked")


def _of_extend(recipe: Recipe, stage: Extend, index: int) -> Iterator[Idle]:
    if not any((stage.left, stage.right, stage.top, stage.bottom)):
        yield Idle(("blur",), "extend_left, extend_right, extend_top and extend_bottom are all 0; set one of them")
    if not any(isinstance(later, Redraw | Refine) and later.strength > 0.0 for later in recipe.stages[index + 1 :]):
        yield Idle(("blur",), "nothing draws over the extension, so old and new do not meet softly; set denoise")


def _of_tiles(stage: Tiles) -> Iterator[Idle]:
    if stage.mode == "blend":
        yield Idle(("mask_blur", "seam_fix", *_SEAM), "tile_mode is 'blend', which has no seams; set it to linear or chess")
        return
    yield Idle(("wraps",), f"tile_mode is '{stage.mode}', which does not go around the edges; set it to blend")
    if stage.seam_fix == "none":
        yield Idle(_SEAM, "seam_fix is 'none'; set it to band, half or half_cross")
    elif stage.seam_fix != "band":
        yield Idle(("seam_width",), f"seam_fix is '{stage.seam_fix}', which draws whole tiles; set it to band")
