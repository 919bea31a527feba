"""Concepts and their pictures as the packages hold them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
from PIL import Image

LEFT_OUT = {2, 9}
"""Emojibase's groups of components (skin tones, hair) and flags."""

SYMBOLS = 8
"""Emojibase's group of signs, whose mirror image means something else."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """What a picture shows: its Unicode points, English name, keywords, and whether it may be mirrored."""

    points: str
    name: str
    keywords: tuple[str, ...]
    mirrors: bool


def concepts(place: Path) -> Iterator[Concept]:
    """The concepts of emojibase-data."""
    for entry in json.loads((place / "en" / "data.json").read_text(encoding="utf-8")):
        group = entry.get("group")
        if group is not None and group not in LEFT_OUT:
            keywords = tuple(entry.get("tags", ()))
            points = _points(entry["hexcode"])
            yield Concept(points=points, name=entry["label"], keywords=keywords, mirrors=group != SYMBOLS)


def gallery(place: Path) -> Callable[[str, int], np.ndarray | None]:
    """A function from a concept's points and a size to its picture, size size 4 uint8, None where the package has none."""
    if (place / "icons.json").exists():
        return _vectors(place)
    files = {_points(path.stem): path for path in (place / "assets").iterdir()}

    def photograph(points: str, size: int) -> np.ndarray | None:
        return _shrunk(Image.open(files[points]), size) if points in files else None

    return photograph


def _vectors(place: Path) -> Callable[[str, int], np.ndarray | None]:
    icons = json.loads((place / "icons.json").read_text(encoding="utf-8"))
    chars = json.loads((place / "chars.json").read_text(encoding="utf-8"))
    names = {_points(code): name for code, name in chars.items()}

    def draw(points: str, size: int) -> np.ndarray | None:
        svg = _svg(icons, names[points]) if points in names else None
        if svg is None:
            return None
        # Drawn at twice the size and shrunk, as the photographs are: thin lines keep their weight.
        png = resvg_py.svg_to_bytes(svg_string=svg, width=2 * size, height=2 * size, skip_system_fonts=True)
        return _shrunk(Image.open(io.BytesIO(bytes(png))), size)

    return draw


def _svg(icons: dict[str, Any], name: str) -> str | None:
    icon = icons["icons"].get(name)
    if icon is None and name in icons.get("aliases", {}):
        icon = icons["icons"].get(icons["aliases"][name]["parent"])
    if icon is None:
        return None
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'


def _shrunk(image: Image.Image, size: int) -> np.ndarray:
    """The picture at ``size``, averaged with its opacity so that transparent pixels lend no colour."""
    small = image.convert("RGBA").convert("RGBa").resize((size, size), Image.Resampling.BOX)
    return np.asarray(small.convert("RGBA"))


def _points(code: str) -> str:
    """Unicode points, lower case, without the variation selector that sources use differently."""
    return code.lower().replace("-fe0f", "")
