"""``aldente grid``: a grid over any parameters, read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import command_line, emit, gathered, say, tell
from aldente.interface.options import Settings, notes_on, recipe_options
from aldente.recipe.axes import Axis
from aldente.studio.files import folder
from aldente.studio.forecast import forecast
from aldente.studio.grid import GridRun, lay_out, run_grid
from aldente.studio.grid_files import GridFiles, write_grid
from aldente.studio.request import is_random
from aldente.studio.workbench import open_workbench

AXIS_HELP = "such as 'cfg=5,7,9', 'steps=10-50 [5]', 'sampler=Euler a,DPM++ 2M Karras', 'prompt s/r=red,green'"


@recipe_options
def command(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    x: Annotated[str | None, typer.Option("-x", help=f"The columns: {AXIS_HELP}.")] = None,
    y: Annotated[str | None, typer.Option("-y", help="The rows, written likewise.")] = None,
    z: Annotated[str | None, typer.Option("-z", help="The sheets, written likewise.")] = None,
    axes: Annotated[list[str] | None, typer.Option("-a", "--axis", help="One more axis; may be given again.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder; the grid gets one of its own in it.")] = Path("out"),
    preset: Annotated[str | None, typer.Option("--preset", help="Start from a preset: see 'aldente presets'.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Each of the prompt's braces is an axis: '{0.8-1.4 (+0.2)}'.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Draw a grid over any parameters, and read it."""
    bench = open_workbench(store)
    written = [axis for axis in (x, y, z, *(axes or [])) if axis is not None]
    for note in notes_on(written):
        tell(f"note: {note}")
    given: list[str | Axis] = [*written]
    if dynamic:
        from aldente.studio.prompts import axes_of, wildcards_of  # noqa: PLC0415  # a parser, for these only

        given += axes_of(prompt, wildcards_of(None))
    plan = lay_out(bench, {"seed": "random", **settings, "prompt": prompt}, given, preset=preset)
    if is_random(settings.get("seed", "random")):
        tell(f"seed {plan.base.seed}")
    cost = forecast(bench, [job.recipe for job in plan.jobs()])
    tell(f"{plan.size} cells: {cost.sentence()}")
    if dry_run:
        return
    folder(out)
    drawn, stopped = gathered(
        lambda watch, ended: run_grid(bench, plan, watch=watch, cancelled=ended), cost.calls, quiet=as_json
    )
    run = GridRun(plan=plan, drawn=drawn)
    files = write_grid(run, out / f"grid-{plan.digest()[:8]}", made=bench.now()[:10], command=command_line())
    if as_json:
        emit(_facts(run, files))
    else:
        _print(run, files)
    if stopped:
        tell(f"stopped; {run.missing} cells are not drawn yet. The same command, with the same seed, goes on from there.")
        raise typer.Exit(130)
    if run.failed:
        raise typer.Exit(1)


def _print(run: GridRun, files: GridFiles) -> None:
    for cell in run.plan.cells():
        drawn = run.at(cell)
        if drawn is not None and drawn.record.failed:
            where = ", ".join(f"{axis.label} {label}" for axis, label in zip(run.plan.axes, cell.labels, strict=True))
            say(f"failed: {where}: {drawn.record.failed}")
    if files.reading is not None:
        for axis in files.reading.axes:
            say(axis.sentence)
        say("")
    for sheet in files.sheets:
        say(f"sheet: {sheet}")
    say(f"page:  {files.page}")
    say(f"seed:  {run.plan.base.seed}")


def _facts(run: GridRun, files: GridFiles) -> dict[str, object]:
    return {
        "plan": run.plan.digest(),
        "seed": run.plan.base.seed,
        "cells": run.plan.size,
        "missing": run.missing,
        "failed": [{"recipe_digest": one.record.recipe_digest, "reason": one.record.failed} for one in run.failed],
        "page": str(files.page),
        "sheets": [str(path) for path in files.sheets],
        "reading": None if files.reading is None else files.reading.model_dump(mode="json", exclude_none=True),
    }
