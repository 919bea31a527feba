"""The files of a lab: a strip for each parameter, one page with all of them, and the reading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import aldente
from aldente.models.port import Image
from aldente.recipe.parameters import text_of
from aldente.recipe.plan import Plan
from aldente.recipe.settings import get_parameter
from aldente.report.lab_page import LabPage, StripSection, lab_page
from aldente.report.labels import caption, differences
from aldente.report.page import Picture, Table
from aldente.report.sheet import Failed, Sheet, pages
from aldente.studio.files import write
from aldente.studio.grid_files import read, settings_of
from aldente.studio.lab import LabRun
from aldente.tuning.isolation import Effect, Isolation

_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class LabFiles:
    """Where a lab was written."""

    folder: Path
    page: Path
    sheets: tuple[Path, ...]


def write_lab(run: LabRun, found: Isolation, folder: Path, *, made: str, command: str) -> LabFiles:
    """Write strips, page and reading into ``folder``. Raises UserError when it cannot be written."""
    by_name = {effect.parameter: effect for effect in found.effects}
    ordered = sorted(run.lab.strips, key=lambda plan: _rank(plan, found))
    sections, paths = [], []
    for plan in ordered:
        name = plan.axes[0].parameter
        sheets = [page.png() for page in pages(_sheet(run, plan, by_name.get(name)))]
        for number, png in enumerate(sheets, start=1):
            part = f"-{number}" if len(sheets) > 1 else ""
            paths.append(write(folder / f"strip-{_PLAIN.sub('-', name.lower())}{part}.png", png))
        sections.append(_section(run, plan, by_name.get(name), sheets))
    write(folder / "reading.json", found.model_dump_json(indent=2))
    page = lab_page(_page(run, found, sections, made, command))
    return LabFiles(folder=folder, page=write(folder / "index.html", page), sheets=tuple(paths))


def _rank(plan: Plan, found: Isolation) -> int:
    """The place of a parameter in the ranking; those that could not be compared come last."""
    names = [effect.parameter for effect in found.effects]
    name = plan.axes[0].parameter
    return names.index(name) if name in names else len(names)


def sentences_of(run: LabRun, plan: Plan, effect: Effect | None) -> list[str]:
    """What is to be said of one strip: its effect, and the reading between neighbours."""
    said = ["Its pictures cannot be compared with the base."] if effect is None else [effect.sentence]
    reading = read(run.strip(plan))
    mine = [] if reading is None else [axis for axis in reading.axes if axis.parameter == plan.axes[0].parameter]
    return [*said, *(axis.sentence for axis in mine)]


def _section(run: LabRun, plan: Plan, effect: Effect | None, sheets: list[bytes]) -> StripSection:
    axis = plan.axes[0]
    embedded = [Picture(file=png, alt=f"{axis.label}: {', '.join(axis.labels)}") for png in sheets]
    return StripSection(heading=axis.label, readings=sentences_of(run, plan, effect), sheets=embedded)


def _sheet(run: LabRun, plan: Plan, effect: Effect | None) -> Sheet:
    """The strip with the distance to the base under each picture; the base is framed."""
    axis, grid = plan.axes[0], run.strip(plan)
    shifts = {} if effect is None else {shift.label: f"{shift.jnd.mean:.1f} JND" for shift in effect.shifts}
    own = {recipe.digest() for recipe in run.lab.bases.values()}
    cells: dict[tuple[int, int], Image | Failed | None] = {}
    notes: dict[tuple[int, int], str] = {}
    chosen = None
    for cell in plan.cells():
        x, y = (*cell.coordinates, 0)[:2]
        drawn = grid.at(cell)
        is_base = cell.recipe.digest() in own
        chosen = (x, 0) if is_base else chosen
        notes[x, y] = "base" if is_base else shifts.get(cell.labels[0], "")
        cells[x, y] = None if drawn is None else Failed(reason=drawn.record.failed) if drawn.record.failed else drawn.image
    footer = caption(differences([settings_of(cell.recipe) for cell in plan.cells()])[0])
    return Sheet(
        title=f"{axis.label}, everything else held",
        x_label=axis.label,
        x_values=axis.labels,
        y_label=plan.axes[1].label if len(plan.axes) > 1 else "",
        y_values=plan.axes[1].labels if len(plan.axes) > 1 else ("",),
        cells=cells,
        notes={at: note for at, note in notes.items() if note and (note == "base" or len(run.lab.seeds) == 1)},
        footer=footer,
        chosen=chosen,
    )


def _page(run: LabRun, found: Isolation, sections: list[StripSection], made: str, command: str) -> LabPage:
    lab, records = run.lab, [one.record for one in run.drawn.values() if not one.record.failed]
    calls, seconds = sum(r.cost.model_calls for r in records), sum(r.cost.seconds for r in records)
    by = records[0].provenance
    facts = [("Pictures", str(len(records))), ("Model calls", str(calls)), ("Seconds", f"{seconds:.1f}")]
    mode = f"with the seed locked at {lab.base.seed}" if len(lab.seeds) == 1 else f"over {len(lab.seeds)} seeds"
    return LabPage(
        title=lab.base.prompt or "lab",
        about=f"One parameter moves at a time, {mode}; distances are to the base picture of the same seed, in just"
        f" noticeable differences (1 JND = {found.jnd:.2f} steps of 255). They depend on the values that were tried.",
        made=made,
        ranking=found.sentence,
        table=_table(found),
        sections=sections,
        facts=[*facts, *([("Missing", str(run.missing))] if run.missing else [])],
        provenance=[
            ("Base", ", ".join(f"{name} {text_of(get_parameter(lab.base, name))}" for name in ("sampler", "steps", "cfg"))),
            ("Model", f"{by.model} {by.model_fingerprint[:16]}"),
            ("Made by", f"aldente {aldente.__version__}, {by.runtime} {by.runtime_version}, {by.device}"),
        ],
        reproduce=command,
    )


def _table(found: Isolation) -> Table:
    rows = []
    for effect in found.effects:
        labels = [shift.label for shift in effect.shifts]
        span = ", ".join(labels)
        most = max(effect.shifts, key=lambda shift: shift.jnd.mean)
        composed = max(shift.composition for shift in effect.shifts)
        flawed = sum(shift.flawed for shift in effect.shifts) / len(effect.shifts)
        rows.append(
            (
                effect.label,
                span,
                most.label,
                f"{effect.size.mean:.2g}",
                f"{most.jnd.mean:.2g}",
                f"{composed:.2f}",
                f"{flawed:.0%}",
            )
        )
    columns = ("Parameter", "Values beside the base", "Moves most at", "Mean, JND", "Most, JND", "Composition", "Flawed")
    return Table(columns=columns, rows=rows, words=3)
