"""What a page of a contact sheet is made of: boxes of text and pictures, before a pixel is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["made", "failed", "missing"]
Align = Literal["left", "centre", "right"]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How large a page may be: what common viewers open without complaint."""

    side_px: int = 16_000
    pixels: int = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is to be shown in a cell: a picture of a size in pixels, or words in its place."""

    state: State
    words: str
    width: int = 0
    height: int = 0


@dataclass(frozen=True, kw_only=True)
class Form:
    """The words and sizes of a sheet, without its pictures."""

    title: str
    part: str
    x_label: str
    x_values: tuple[str, ...]
    y_label: str
    y_values: tuple[str, ...]
    cells: Mapping[tuple[int, int], Cell]
    notes: Mapping[tuple[int, int], str]
    footer: str
    chosen: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Look:
    """How words look: ``weight`` is ``regular`` or ``bold``, ``role`` a colour of the palette."""

    weight: str = "regular"
    role: str = "ink"
    align: Align = "left"


@dataclass(frozen=True, kw_only=True)
class Text:
    """Lines of one size in a box; every line fits the width, all of them the height."""

    lines: tuple[str, ...]
    x: int
    y: int
    width: int
    height: int
    size_px: int
    look: Look


@dataclass(frozen=True, kw_only=True)
class Tile:
    """The place of one cell: its whole box, and within it the words that stand for a picture that is not there."""

    at: tuple[int, int]
    state: State
    x: int
    y: int
    width: int
    height: int
    scale: float
    chosen: bool
    words: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One page: its size in pixels, the part of the sheet it shows, and all that is on it."""

    width: int
    height: int
    gap: int
    columns: range
    rows: range
    texts: tuple[Text, ...]
    tiles: tuple[Tile, ...]
