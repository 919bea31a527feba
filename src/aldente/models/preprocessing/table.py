"""The one table of preprocessors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aldente.engine.errors import unknown
from aldente.engine.spelling import indexed
from aldente.models.port import Image
from aldente.models.preprocessing import edges, shapes, tones
from aldente.models.preprocessing.depth import depth_by, is_depth_folder


@dataclass(frozen=True, kw_only=True)
class Preprocessor:
    """A preprocessor by ``name``, or by what other programs call it; ``apply`` takes and gives uint8, h w 3, of one size."""

    name: str
    title: str
    aliases: tuple[str, ...]
    apply: Callable[[Image], Image]


def _as_it_is(image: Image) -> Image:
    """The picture itself."""
    return image


PREPROCESSORS: tuple[Preprocessor, ...] = (
    Preprocessor(name="none", title="None", aliases=(), apply=_as_it_is),
    Preprocessor(name="canny", title="Canny", aliases=("canny edge",), apply=edges.canny),
    Preprocessor(name="scribble", title="Scribble (XDoG)", aliases=("scribble_xdog", "xdog"), apply=edges.scribble),
    Preprocessor(name="silhouette", title="Silhouette", aliases=("shape",), apply=shapes.silhouette),
    Preprocessor(name="invert", title="Invert", aliases=("invert (from white bg & black line)",), apply=tones.invert),
    Preprocessor(name="threshold", title="Threshold", aliases=("binary",), apply=tones.threshold),
    Preprocessor(name="blur", title="Blur", aliases=("blur_gaussian", "gaussian_blur"), apply=tones.blur),
    Preprocessor(name="shuffle", title="Shuffle", aliases=("content_shuffle",), apply=tones.shuffle),
    Preprocessor(name="tile", title="Tile", aliases=("tile_resample", "tile_downsample"), apply=tones.tile),
    Preprocessor(
        name="recolor_luminance", title="Recolour (luminance)", aliases=("recolour_luminance",), apply=tones.luminance
    ),
    Preprocessor(
        name="recolor_intensity", title="Recolour (intensity)", aliases=("recolour_intensity",), apply=tones.intensity
    ),
)


def preprocessors() -> tuple[Preprocessor, ...]:
    """Every preprocessor."""
    return PREPROCESSORS


def find_preprocessor(name: str) -> Preprocessor:
    """The preprocessor called ``name``, in any usual spelling, or the user's depth network in the folder of that path.

    Raises UserError naming the nearest one if there is none.
    """
    found = _known().get(_plain(name))
    if found is None and is_depth_folder(folder := Path(name).expanduser()):
        return Preprocessor(name=name, title=f"Depth ({folder.name})", aliases=(), apply=depth_by(folder))
    if found is None:
        raise unknown("control_preprocessor", name, (info.name for info in PREPROCESSORS))
    return found


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@cache
def _known() -> dict[str, Preprocessor]:
    return indexed("preprocessor", PREPROCESSORS, _plain)
