"""Laying a sheet out on pages: title, labels, tiles and foot, each in a box of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from aldente.report import typeface
from aldente.report.labels import Fitted
from aldente.report.layout import Align, Form, Layout, Limit, Look, Text, Tile
from aldente.report.measure import Measures, measure, small_type

_STRONG = Look(weight="bold")
_QUIET = Look(role="muted")
_FAR = 1800
"""From how many pixels on the labels are repeated at the far side of the page."""


def fit(form: Form, limit: Limit) -> tuple[Layout, ...]:
    """The pages of a sheet: as few as the limit allows, of nearly equal size."""
    measures = measure(form, limit)
    across, down = len(form.x_values), len(form.y_values)
    while True:
        columns, rows = _parts(len(form.x_values), across), _parts(len(form.y_values), down)
        total = len(columns) * len(rows)
        plans = [
            _page(form, measures, wide, high, f"page {n * len(columns) + m + 1} of {total}" if total > 1 else "")
            for n, high in enumerate(rows)
            for m, wide in enumerate(columns)
        ]
        width, height = max(p.width for p in plans), max(p.height for p in plans)
        excess = max(width / limit.side_px, height / limit.side_px, math.sqrt(width * height / limit.pixels))
        if excess <= 1 or (across, down) == (1, 1):
            return tuple(plans)
        if down == 1 or (width > height and across > 1):
            across = max(1, min(across - 1, math.floor(across / excess)))
        else:
            down = max(1, min(down - 1, math.floor(down / excess)))


def _parts(count: int, most: int) -> list[range]:
    pieces = math.ceil(count / most)
    ends = [round(i * count / pieces) for i in range(pieces + 1)]
    return [range(a, b) for a, b in pairwise(ends)]


def _page(form: Form, m: Measures, columns: range, rows: range, folio: str) -> Layout:
    pad = 2 * m.unit
    left = pad + (m.side + m.gap if m.side else 0)
    grid = len(columns) * (m.cell[0] + m.gap) - m.gap
    echo = m.side > 0 and grid > _FAR
    width = max(left + grid + pad + (m.side + m.gap if echo else 0), 30 * m.unit)
    head = _head(form, m, pad, width - 2 * pad)
    top = _below(head, pad) + m.unit
    labels = _columns(form, m, columns, left, top)
    top = _below(labels, top) + m.gap // 2
    tiles = tuple(
        _tile(form, m, (x, y), left + i * _pitch(m)[0], top + j * _pitch(m)[1])
        for j, y in enumerate(rows)
        for i, x in enumerate(columns)
    )
    bottom = top + len(rows) * _pitch(m)[1] - m.gap
    sides = _rows(form, m, rows, pad, top, "right")
    far = _rows(form, m, rows, left + grid + m.gap, top, "left") if echo else ()
    under = _columns(form, m, columns, left, bottom + m.gap // 2) if bottom - top > _FAR else ()
    foot_top = _below(under, bottom) + m.unit
    foot = _foot(form, m, columns, rows, folio, pad, foot_top, width - 2 * pad)
    return Layout(
        width=width,
        height=_below((*under, *foot), bottom) + pad,
        gap=m.gap,
        columns=columns,
        rows=rows,
        texts=(*head, *labels, *sides, *far, *under, *foot),
        tiles=tiles,
    )


def _pitch(m: Measures) -> tuple[int, int]:
    return m.cell[0] + m.gap, m.cell[1] + m.note + m.gap


def _below(texts: tuple[Text, ...], otherwise: int) -> int:
    return max((text.y + text.height for text in texts), default=otherwise)


def _stack(blocks: list[tuple[str, int, Look, int]], x: int, y: int, width: int) -> tuple[Text, ...]:
    """Paragraphs below each other: words, size of type, look, and the most lines they may take."""
    texts: list[Text] = []
    for words, size_px, look, most in blocks:
        text = _text(words, x, y, width, size_px, look, most)
        if text.lines:
            texts.append(text)
            y += text.height + size_px // 3
    return tuple(texts)


def _text(words: str, x: int, y: int, width: int, size_px: int, look: Look, most: int) -> Text:
    face = typeface.font(size_px, look.weight)
    lines = typeface.wrap(typeface.drawable(words), face, width)
    if len(lines) > most:
        lines = (*lines[: most - 1], typeface.shorten(f"{lines[most - 1]} …", face, width))
    height = len(lines) * typeface.line_height(face)
    return Text(lines=lines, x=x, y=y, width=width, height=height, size_px=size_px, look=look)


def _head(form: Form, m: Measures, x: int, width: int) -> tuple[Text, ...]:
    small = small_type(m.unit)
    blocks = [(form.title, round(1.6 * m.unit), _STRONG, 3), (form.part, m.unit, _STRONG, 2)]
    return _stack([*blocks, *((frame, small, _QUIET, 3) for frame in m.frames)], x, 2 * m.unit, width)


def _columns(form: Form, m: Measures, columns: range, left: int, top: int) -> tuple[Text, ...]:
    """The title of the x axis above its values, whose last lines stand on one line."""
    small = small_type(m.unit)
    title = _text(form.x_label, left, top, max(len(columns) * _pitch(m)[0] - m.gap, m.cell[0]), small, _QUIET, 2)
    corner = max(len(m.x[i].lines) for i in columns) * typeface.line_height(typeface.font(m.unit, "bold"))
    base = top + title.height + corner
    values = tuple(_label(m.x[c], left + i * _pitch(m)[0], base, m.cell[0], m.unit, _STRONG) for i, c in enumerate(columns))
    return tuple(text for text in (title, *values) if text.lines)


def _label(box: Fitted, x: int, base: int, width: int, size_px: int, look: Look) -> Text:
    height = len(box.lines) * typeface.line_height(typeface.font(size_px, look.weight))
    return Text(lines=box.lines, x=x, y=base - height, width=width, height=height, size_px=size_px, look=look)


def _rows(form: Form, m: Measures, rows: range, x: int, top: int, align: Align) -> tuple[Text, ...]:
    """The title of the y axis in the corner, and its values each at the middle of its row."""
    if m.side == 0:
        return ()
    title = _text(form.y_label, x, 0, m.side, small_type(m.unit), Look(role="muted", align=align), 2)
    title = replace(title, y=top - title.height - m.gap // 2)
    texts = [title]
    for j, row in enumerate(rows):
        middle = top + j * _pitch(m)[1] + m.cell[1] // 2
        label = _label(m.y[row], x, 0, m.side, m.unit, Look(weight="bold", align=align))
        texts.append(replace(label, y=middle - label.height // 2))
    return tuple(text for text in texts if text.lines)


def _tile(form: Form, m: Measures, at: tuple[int, int], x: int, y: int) -> Tile:
    cell = form.cells[at]
    words: list[Text] = []
    width, height = m.cell
    small, inset = small_type(m.unit), m.unit // 2
    lines = (height - 2 * inset) // typeface.line_height(typeface.font(small))
    if cell.state == "missing":
        words += _stack([(cell.words, small, Look(role="muted", align="centre"), 1)], x + inset, y, width - 2 * inset)
    if cell.state == "failed":
        told = [("failed", small, Look(weight="bold", align="centre", role="accent"), 1)]
        told += [(cell.words, small, Look(align="centre"), max(1, lines - 2))] if lines > 1 else []
        words += _stack(told, x + inset, y, width - 2 * inset)
    drop = (height - (_below(tuple(words), y) - y)) // 2
    words = [replace(text, y=text.y + drop) for text in words]
    note = form.notes.get(at, "")
    if note:
        words += _stack([(note, small, _QUIET, 1)], x, y + height + 4, width)
    return Tile(
        at=at,
        state=cell.state,
        x=x,
        y=y,
        width=width,
        height=height,
        scale=m.scale,
        chosen=at == form.chosen,
        words=tuple(words),
    )


def _foot(form: Form, m: Measures, columns: range, rows: range, folio: str, x: int, y: int, width: int) -> tuple[Text, ...]:
    small = small_type(m.unit)
    keyed = [box for box in (*(m.x[i] for i in columns), *(m.y[i] for i in rows)) if box.key]
    blocks = [(f"[{box.key}] {box.full}", small, Look(), 6) for box in keyed]
    blocks += [(form.footer, small, _QUIET, 8), (folio, small, _QUIET, 1)]
    return _stack(blocks, x, y, width)
