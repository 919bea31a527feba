"""How large the cells, the type and the labels of a contact sheet are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aldente.report import typeface
from aldente.report.labels import Fitted, factored, fitted
from aldente.report.layout import Form, Limit

_SMALLEST_CELL = 160
_EMPTY_CELL = 192


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Sizes in pixels that all pages of a sheet share, and its labels as they fit."""

    scale: float
    cell: tuple[int, int]
    unit: int
    gap: int
    note: int
    side: int
    frames: tuple[str, ...]
    x: tuple[Fitted, ...]
    y: tuple[Fitted, ...]


def measure(form: Form, limit: Limit) -> Measures:
    """The sizes of a sheet: small pictures are enlarged by a whole number, type grows with the cells."""
    made = [cell for cell in form.cells.values() if cell.state == "made"]
    width, height = max((c.width for c in made), default=_EMPTY_CELL), max((c.height for c in made), default=_EMPTY_CELL)
    scale: float = max(1, math.ceil(_SMALLEST_CELL / max(width, height)))
    # A single picture never takes more than half of a page's side, so that its labels always have room.
    scale = min(scale, limit.side_px / 2 / max(width, height), math.sqrt(limit.pixels / 4 / (width * height)))
    cell = (max(_SMALLEST_CELL // 2, round(width * scale)), max(_SMALLEST_CELL // 4, round(height * scale)))
    unit = min(44, max(14, round(max(cell) / 15)))
    bold, small = typeface.font(unit, "bold"), typeface.font(small_type(unit))
    x, y = factored([typeface.drawable(v) for v in form.x_values]), factored([typeface.drawable(v) for v in form.y_values])
    widest = max(cell[0], 12 * unit)
    x_boxes = fitted(x.values, bold, max_width=cell[0] - unit // 2, max_lines=3)
    high = min(5, max(1, cell[1] // typeface.line_height(bold)))
    y_boxes = fitted(y.values, bold, max_width=widest, max_lines=high, first_key=1 + max(box.key for box in x_boxes))
    y_lines = [typeface.width(line, bold) for box in y_boxes for line in box.lines]
    y_title = typeface.width(typeface.drawable(form.y_label), small)
    return Measures(
        scale=scale,
        cell=cell,
        unit=unit,
        gap=max(10, round(unit * 0.7)),
        note=typeface.line_height(small) + 4 if form.notes else 0,
        side=math.ceil(min(widest, max([*y_lines, y_title], default=0))) if any(y_lines) else 0,
        frames=tuple(f"{a}: {f.frame}" for a, f in ((form.x_label, x), (form.y_label, y)) if f.frame),
        x=x_boxes,
        y=y_boxes,
    )


def small_type(unit: int) -> int:
    """The size of type for what is said in passing."""
    return max(12, round(unit * 0.86))
