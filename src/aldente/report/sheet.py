"""Contact sheets: a plane of pictures over two parameters, as labelled pages that are never too large to open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from aldente.models.port import Image
from aldente.report.arrange import fit
from aldente.report.layout import Cell, Form, Layout, Limit
from aldente.report.paint import paint


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A cell that could not be made, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One plane of a grid; a third axis gives one sheet per value, named by ``z_label`` and ``z_value``.

    ``cells`` maps (column, row) to a picture, to Failed, or to None where nothing is made yet; a cell left out is None.
    ``notes`` are short words under a cell, ``footer`` what all cells share, ``chosen`` the cell to be framed.
    """

    title: str
    x_label: str = ""
    x_values: Sequence[str]
    y_label: str = ""
    y_values: Sequence[str] = ("",)
    z_label: str = ""
    z_value: str = ""
    cells: Mapping[tuple[int, int], Image | Failed | None]
    notes: Mapping[tuple[int, int], str] = field(default_factory=dict)
    footer: str = ""
    chosen: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a sheet without cells and cells outside of the axes; raise ValueError."""
        columns, rows = len(self.x_values), len(self.y_values)
        if columns == 0 or rows == 0:
            raise ValueError(f"a sheet needs at least one value on each axis; it has {columns} x {rows}")
        named = {*self.cells, *self.notes, *([self.chosen] if self.chosen else [])}
        outside = sorted(at for at in named if not (0 <= at[0] < columns and 0 <= at[1] < rows))
        if outside:
            raise ValueError(f"cells {outside[:4]} lie outside of a sheet of {columns} columns and {rows} rows")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a sheet: its picture and the columns and rows that it shows."""

    picture: Pictures.Image
    columns: range
    rows: range
    number: int
    total: int

    def png(self, text: Mapping[str, str] | None = None) -> bytes:
        """The page as a PNG, the same bytes for the same page; ``text`` goes along as text chunks, such as ``parameters``."""
        chunks = PngInfo()
        for name, value in (text or {}).items():
            chunks.add_itxt(name, value)
        stream = BytesIO()
        self.picture.save(stream, "PNG", pnginfo=chunks, compress_level=6)
        return stream.getvalue()


def layouts(sheet: Sheet, *, limit: Limit | None = None) -> tuple[Layout, ...]:
    """Where everything on each page of the sheet goes, before a pixel is drawn."""
    return fit(_form(sheet), limit or Limit())


def pages(sheet: Sheet, *, limit: Limit | None = None) -> Iterator[Page]:
    """The pages of a sheet, one at a time, row by row; every cell is on exactly one of them."""
    pictures = {at: cell for at, cell in sheet.cells.items() if cell is not None and not isinstance(cell, Failed)}
    plans = layouts(sheet, limit=limit)
    for number, plan in enumerate(plans, start=1):
        yield Page(picture=paint(plan, pictures), columns=plan.columns, rows=plan.rows, number=number, total=len(plans))


def _form(sheet: Sheet) -> Form:
    def cell(at: tuple[int, int]) -> Cell:
        content = sheet.cells.get(at)
        if content is None:
            return Cell(state="missing", words="not yet")
        if isinstance(content, Failed):
            return Cell(state="failed", words=content.reason)
        shape = np.shape(content)
        return Cell(state="made", words="", width=shape[1], height=shape[0])

    every = [(x, y) for y in range(len(sheet.y_values)) for x in range(len(sheet.x_values))]
    return Form(
        title=sheet.title,
        part=f"{sheet.z_label}: {sheet.z_value}" if sheet.z_label else sheet.z_value,
        x_label=sheet.x_label,
        x_values=tuple(sheet.x_values),
        y_label=sheet.y_label,
        y_values=tuple(sheet.y_values),
        cells={at: cell(at) for at in every},
        notes=sheet.notes,
        footer=sheet.footer,
        chosen=sheet.chosen,
    )
