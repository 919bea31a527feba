"""Drawing a laid-out page: the pictures at their scale, the words in their boxes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from aldente.models.port import Image
from aldente.report import typeface
from aldente.report.layout import Layout, Text, Tile
from aldente.report.palette import LIGHT


def paint(plan: Layout, pictures: Mapping[tuple[int, int], Image]) -> Pictures.Image:
    """The page as a picture; ``pictures`` holds those of the cells that are made, uint8 h w 3."""
    sheet = Pictures.new("RGB", (plan.width, plan.height), LIGHT["paper"])
    pen = ImageDraw.Draw(sheet)
    for tile in plan.tiles:
        if tile.state == "made":
            _paste(sheet, tile, pictures[tile.at])
        elif tile.state == "failed":
            sheet.paste(_hatched(tile.width, tile.height), (tile.x, tile.y))
        else:
            _dashed(pen, tile)
        if tile.chosen:
            _framed(pen, tile, plan.gap)
        for text in tile.words:
            _plate(pen, text, tile)
            _write(pen, text)
    for text in plan.texts:
        _write(pen, text)
    return sheet


def _paste(sheet: Pictures.Image, tile: Tile, array: Image) -> None:
    picture = Pictures.fromarray(np.ascontiguousarray(array, dtype=np.uint8))
    size = (max(1, round(picture.width * tile.scale)), max(1, round(picture.height * tile.scale)))
    if size != picture.size:
        picture = picture.resize(size, Pictures.Resampling.LANCZOS)
    sheet.paste(picture, (tile.x + (tile.width - size[0]) // 2, tile.y + (tile.height - size[1]) // 2))


def _hatched(width: int, height: int) -> Pictures.Image:
    panel = Pictures.new("RGB", (width, height), LIGHT["card"])
    pen = ImageDraw.Draw(panel)
    for start in range(-height, width, 12):
        pen.line((start, height, start + height, 0), fill=LIGHT["line"], width=2)
    pen.rectangle((0, 0, width - 1, height - 1), outline=LIGHT["accent"], width=1)
    return panel


def _dashed(pen: ImageDraw.ImageDraw, tile: Tile) -> None:
    right, bottom = tile.x + tile.width - 1, tile.y + tile.height - 1
    for x in range(tile.x, right, 10):
        for y in (tile.y, bottom):
            pen.line((x, y, min(x + 5, right), y), fill=LIGHT["muted"])
    for y in range(tile.y, bottom, 10):
        for x in (tile.x, right):
            pen.line((x, y, x, min(y + 5, bottom)), fill=LIGHT["muted"])


def _framed(pen: ImageDraw.ImageDraw, tile: Tile, gap: int) -> None:
    """A frame in the gap around the picture, so that it hides nothing of it."""
    thick = max(3, gap // 3)
    out = thick + 1
    box = (tile.x - out, tile.y - out, tile.x + tile.width - 1 + out, tile.y + tile.height - 1 + out)
    pen.rectangle(box, outline=LIGHT["accent"], width=thick)


def _plate(pen: ImageDraw.ImageDraw, text: Text, tile: Tile) -> None:
    """A calm ground behind words on a hatched tile."""
    if tile.state == "failed" and text.y < tile.y + tile.height:
        pen.rectangle((text.x - 2, text.y - 3, text.x + text.width + 1, text.y + text.height + 2), fill=LIGHT["card"])


def _write(pen: ImageDraw.ImageDraw, text: Text) -> None:
    face = typeface.font(text.size_px, text.look.weight)
    step = typeface.line_height(face)
    share = {"left": 0.0, "centre": 0.5, "right": 1.0}[text.look.align]
    for i, line in enumerate(text.lines):
        x = text.x + share * (text.width - typeface.width(line, face))
        pen.text((round(x), text.y + i * step), line, font=face, fill=LIGHT[text.look.role])
