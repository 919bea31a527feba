"""The files of a grid: every cell, labelled sheets, a page to click through, and the reading, whatever is drawn so far."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import aldente
from aldente.recipe.names import title_of
from aldente.recipe.parameters import parameters, text_of
from aldente.recipe.plan import Cell, Plan
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter
from aldente.report.grid_page import GridCell, GridPage, grid_page
from aldente.report.grid_page import Plane as PagePlane
from aldente.report.labels import caption, differences
from aldente.report.page import picture
from aldente.report.sheet import pages
from aldente.studio.files import file_name, write
from aldente.studio.grid import GridRun, Plane, planes, sheet_of
from aldente.tuning.reading import GridAxis, GridReading, read_grid

THUMBNAIL_PX = 256
PLAN = "aldente-plan"
"""The keyword of the text chunk that tells a sheet from a picture."""

LEFT_OUT = ("size",)
"""Parameters that only say again what others say."""


@dataclass(frozen=True, kw_only=True)
class GridFiles:
    """Where a grid was written, and its reading if anything was drawn."""

    folder: Path
    page: Path
    sheets: tuple[Path, ...]
    reading: GridReading | None


def write_grid(run: GridRun, folder: Path, *, made: str, command: str) -> GridFiles:
    """Write everything there is of a grid into ``folder``.

    Raises UserError when it cannot be written.
    """
    places = folder / "cells"
    cells = {
        one.record.id: write(places / file_name(one.recipe), one.png) for one in run.drawn.values() if not one.record.failed
    }
    reading = read(run)
    footer = caption(differences([settings_of(cell.recipe) for cell in run.plan.cells()])[0])
    sheets = []
    for number, plane in enumerate(planes(run.plan), start=1):
        for page in pages(sheet_of(run, plane, footer=footer)):
            part = f"-{page.number}" if page.total > 1 else ""
            sheets.append(write(folder / f"sheet-{number}{part}.png", page.png(_infotext(run.plan, plane))))
    if reading is not None:
        write(folder / "reading.json", reading.model_dump_json(indent=2, exclude_none=True))
    write(folder / "plan.json", run.plan.model_dump_json(indent=2, exclude_none=True))
    page_html = grid_page(_page(run, reading, {i: path.relative_to(folder) for i, path in cells.items()}, made, command))
    return GridFiles(folder=folder, page=write(folder / "index.html", page_html), sheets=tuple(sheets), reading=reading)


def read(run: GridRun) -> GridReading | None:
    """The reading of what is drawn; None while nothing is."""
    images = {
        cell.coordinates: drawn.image
        for cell in run.plan.cells()
        if (drawn := run.at(cell)) is not None and not drawn.record.failed
    }
    axes = [GridAxis(parameter=axis.parameter, labels=axis.labels, values=axis.values) for axis in run.plan.axes]
    return read_grid(axes, images) if images else None


def settings_of(recipe: Recipe) -> dict[str, str]:
    """The parameters of a recipe that are set, as people read them."""
    values = {p: get_parameter(recipe, p.name) for p in parameters() if p.name not in LEFT_OUT}
    said = {p: text_of(value) for p, value in values.items() if value is not None and value != ""}
    return {p.label: title_of(p.choices, text) for p, text in said.items()}


def command_of(recipe: Recipe) -> str:
    """The line that draws a recipe again."""
    plain = Recipe()
    changed = {
        p.name: value
        for p in parameters()
        if p.name not in ("prompt", "seed", *LEFT_OUT)
        and (value := get_parameter(recipe, p.name)) != get_parameter(plain, p.name)
    }
    options = [word for name, value in changed.items() for word in ("--" + name.replace("_", "-"), text_of(value))]
    return shlex.join(["aldente", "generate", recipe.prompt, "--seed", str(recipe.seed), *options])


def _infotext(plan: Plan, plane: Plane) -> dict[str, str]:
    """What A1111 writes on a grid: the axes and their values."""
    letters = dict(zip("XYZ", plan.axes, strict=False))
    facts = ["Script: X/Y/Z plot"]
    for letter, axis in letters.items():
        facts += [f"{letter} Type: {axis.label}", f'{letter} Values: "{", ".join(axis.labels)}"']
    return {
        "parameters": f"{plan.base.prompt}\n{', '.join(facts)}",
        PLAN: plan.digest(),
        "aldente-plane": plane.label,
    }


def _page(run: GridRun, reading: GridReading | None, files: dict[str, Path], made: str, command: str) -> GridPage:
    plan = run.plan
    done, total = sum(run.at(cell) is not None for cell in plan.cells()), plan.size
    record = next((drawn.record for drawn in run.drawn.values() if not drawn.record.failed), None)
    by = None if record is None else record.provenance
    seconds = sum(drawn.record.cost.seconds for drawn in run.drawn.values())
    calls = sum(drawn.record.cost.model_calls for drawn in run.drawn.values())
    return GridPage(
        title=plan.base.prompt or "grid",
        about=" x ".join(f"{axis.label} ({len(axis.points)})" for axis in plan.axes),
        made=made,
        x_label=plan.axes[0].label,
        x_values=plan.axes[0].labels,
        y_label=plan.axes[1].label if len(plan.axes) > 1 else "",
        y_values=plan.axes[1].labels if len(plan.axes) > 1 else ("",),
        z_label=", ".join(axis.label for axis in plan.axes[2:]),
        planes=[_plane(run, plane, files) for plane in planes(plan)],
        readings=[] if reading is None else [_reading(axis.sentence) for axis in reading.axes],
        facts=[("Cells", f"{done} of {total}"), ("Model calls", str(calls)), ("Seconds", f"{seconds:.1f}")],
        provenance=[]
        if by is None
        else [
            ("Plan", plan.digest()[:16]),
            ("Model", f"{by.model} {by.model_fingerprint[:16]}"),
            ("Made by", f"aldente {aldente.__version__}, {by.runtime} {by.runtime_version}, {by.device}"),
        ],
        reproduce=command,
    )


def _reading(sentence: str) -> tuple[str, str]:
    """A sentence such as 'Steps: settled at 20.' as its subject and what is said of it."""
    subject, _, said = sentence.partition(": ")
    return subject, said[:1].upper() + said[1:]


def _plane(run: GridRun, plane: Plane, files: dict[str, Path]) -> PagePlane:
    return PagePlane(value=plane.label, cells={at: _cell(run, cell, files) for at, cell in plane.cells.items()})


def _cell(run: GridRun, cell: Cell, files: dict[str, Path]) -> GridCell:
    drawn = run.at(cell)
    settings, command = settings_of(cell.recipe), command_of(cell.recipe)
    if drawn is None:
        return GridCell(settings=settings, command=command)
    if drawn.record.failed:
        return GridCell(reason=drawn.record.failed, settings=settings, command=command)
    return GridCell(
        picture=picture(drawn.image, alt=", ".join(cell.labels), side_px=THUMBNAIL_PX),
        settings=settings,
        command=command,
        note=f"{drawn.record.cost.model_calls} calls",
        file=str(files[drawn.record.id]),
    )
