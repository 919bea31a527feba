"""The size of a recipe's picture after each stage, and whether the model can draw it."""

from __future__ import annotations

from collections.abc import Sequence

from aldente.engine.errors import UserError
from aldente.models.port import ModelInfo
from aldente.recipe.recipe import Recipe
from aldente.recipe.stages import Base, Extend, Redraw, Refine, Resize, Stage, Tiles
from aldente.render.fitting import Size


def sizes_of(recipe: Recipe, info: ModelInfo) -> tuple[Size, ...]:
    """The size of the picture after each stage, which follows from the recipe alone."""
    size = Size(recipe.width, recipe.height)
    sizes = []
    for number, stage in enumerate(recipe.stages):
        if isinstance(stage, Extend):
            size = Size(size.width + stage.left + stage.right, size.height + stage.top + stage.bottom)
        elif isinstance(stage, Resize):
            size = resized_size(stage, size, _multiple(recipe.stages[number + 1 :], info))
        sizes.append(size)
    return tuple(sizes)


def drawn_size(recipe: Recipe, index: int, size: Size) -> Size | None:
    """The size at which stage ``index`` has the model draw a picture of ``size``; None where it draws none or tiles."""
    stage = recipe.stages[index]
    if isinstance(stage, Redraw) and stage.strength and stage.area == "only_masked":
        return Size(recipe.width, recipe.height)
    draws = isinstance(stage, Base) or (isinstance(stage, Redraw | Refine) and stage.strength > 0.0)
    return size if draws else None


def check_size(recipe: Recipe, info: ModelInfo) -> None:
    """Raise UserError unless the model can draw every size that the recipe has it draw."""
    for index, size in enumerate(sizes_of(recipe, info)):
        drawn = drawn_size(recipe, index, size)
        if drawn is not None:
            _check(drawn, info, recipe.stages[index], asked=drawn == (recipe.width, recipe.height))


def _check(size: Size, info: ModelInfo, stage: Stage, *, asked: bool) -> None:
    native = " or ".join(Size(*sides).said for sides in info.native)
    for side, value in zip(Size._fields, size, strict=True):
        if not value % info.size_multiple and info.size_min <= value <= info.size_max:
            continue
        where = (
            f"{side} is {value}"
            if asked
            else f"{side} is {value} where '{stage.kind}' draws ({size.said}, after what resizes or extends the picture)"
        )
        raise UserError(
            f"{where}; model '{info.name}' draws multiples of {info.size_multiple} px"
            f" from {info.size_min} to {info.size_max}. It was made for {native}."
        )


def resized_size(stage: Resize, size: Size, multiple: int) -> Size:
    """The size that a stage makes of ``size``: as written, or scaled and brought to the nearest ``multiple``.

    Of a width or a height alone the other follows from the picture's shape.
    """
    if stage.width is not None and stage.height is not None:
        return Size(stage.width, stage.height)
    if stage.width is not None:
        return Size(stage.width, _near(size.height * stage.width / size.width, multiple))
    if stage.height is not None:
        return Size(_near(size.width * stage.height / size.height, multiple), stage.height)
    scale = 2.0 if stage.scale is None else stage.scale
    return Size(*(_near(side * scale, multiple) for side in size))


def _near(value: float, multiple: int) -> int:
    return max(1, round(value / multiple)) * multiple


def _multiple(later: Sequence[Stage], info: ModelInfo) -> int:
    """What a resized picture is a multiple of: the model's if it is drawn on, else any number of pixels."""
    return info.size_multiple if any(isinstance(stage, Redraw | Refine | Tiles) for stage in later) else 1
