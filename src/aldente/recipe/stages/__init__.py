"""The stages of a recipe: where a picture begins, and what is done to it one after the other.

img2img is ``Source, Redraw``; inpainting the same with a mask; outpainting ``Source, Extend, Redraw``; hires fix ``Base,
Resize, Refine``; tiled upscaling ``Base, Resize, Tiles``. A recipe up to any of its stages is a recipe, and its digest the
key under which what it gives is kept.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aldente.recipe.stages.beginnings import Base, Extend, Source
from aldente.recipe.stages.control import Control
from aldente.recipe.stages.passes import Content, Redraw, Refine, Rule
from aldente.recipe.stages.pictures import Fit
from aldente.recipe.stages.resizing import Resize
from aldente.recipe.stages.tiling import Tiles
from aldente.recipe.value import Value

__all__ = [
    "ORDER",
    "Base",
    "Content",
    "Control",
    "Extend",
    "Fit",
    "Redraw",
    "Refine",
    "Resize",
    "Rule",
    "Source",
    "Stage",
    "Tiles",
]

Stage = Annotated[Base | Source | Extend | Redraw | Resize | Refine | Tiles, Field(discriminator="kind")]

ORDER: tuple[type[Value], ...] = (Base, Source, Extend, Redraw, Resize, Refine, Tiles)
"""Every stage, in the order in which setting their parameters puts them into a recipe."""
