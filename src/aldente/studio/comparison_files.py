"""The comparison of two pictures as a file: one HTML page, or one PNG with both and the map of their difference."""

from __future__ import annotations

from pathlib import Path

from aldente.engine.errors import UserError
from aldente.engine.spelling import several
from aldente.report.diff_page import DiffPage, diff_page
from aldente.report.page import Table, picture
from aldente.report.sheet import Sheet, pages
from aldente.studio.comparison import Compared, Difference
from aldente.studio.files import write


def write_comparison(found: Compared, path: Path, *, made: str, command: str) -> Path:
    """Write the comparison; the suffix says as what. Raises UserError for another than .html and .png."""
    if path.suffix.lower() == ".png":
        return write(path, _png(found))
    if path.suffix.lower() in (".html", ".htm"):
        return write(path, _page(found, made, command))
    raise UserError(f"{path}: a comparison is written as .html or .png.")


def lede(found: Compared) -> str:
    """The comparison in one sentence."""
    if found.identical:
        return "The pictures are the same to the last bit."
    count = len(found.asked)
    differ = f"{several(count, 'parameter')} {'differs' if count == 1 else 'differ'}"
    asked = differ if found.asked else "the recipes are the same, as far as they are known"
    if found.map is None:
        return f"The pictures have different sizes; {asked}."
    metrics = ", ".join(f"{name.upper()} {value:.4g}" for name, value in found.metrics.items() if name in _SHOWN)
    return f"{metrics}; {asked}."


_SHOWN = ("psnr", "ssim", "flip")


def _png(found: Compared) -> bytes:
    cells = [found.a.image, found.b.image, *([] if found.map is None else [found.map])]
    names = [found.a.name, found.b.name, "difference"][: len(cells)]
    rows = [f"{one.name}: {one.a or '-'} / {one.b or '-'}" for one in found.asked[:6]]
    sheet = Sheet(
        title=f"{found.a.name} and {found.b.name}",
        x_values=names,
        cells={(column, 0): cell for column, cell in enumerate(cells)},
        footer="; ".join([lede(found), *rows]),
    )
    (page, *_) = pages(sheet)
    return page.png()


def _page(found: Compared, made: str, command: str) -> str:
    a, b = found.a, found.b
    shown = [
        picture(a.image, alt=f"A: {a.name}", caption=f"A: {a.name}"),
        picture(b.image, alt=f"B: {b.name}", caption=f"B: {b.name}"),
    ]
    if found.map is not None:
        shown.append(picture(found.map, alt="where they differ", caption="where they differ: black is the same"))
    tables = [("What was asked", found.asked), ("What it cost and what came out", found.came)]
    page = DiffPage(
        title=f"{a.name} and {b.name}",
        made=made,
        lede=lede(found),
        pictures=shown,
        tables=[(heading, _table(rows)) for heading, rows in tables if rows],
        facts=[(name, f"{value:.4g}") for name, value in found.metrics.items()],
        provenance=[("A", a.record.id if a.record else a.name), ("B", b.record.id if b.record else b.name)],
        reproduce=command,
    )
    return diff_page(page)


def _table(rows: tuple[Difference, ...]) -> Table:
    return Table(columns=("", "", "A", "B"), rows=[(one.group, one.name, one.a or "-", one.b or "-") for one in rows], words=4)
