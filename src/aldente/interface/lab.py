"""``aldente lab``: one variable at a time, read and ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import command_line, emit, gathered, say, table, tell
from aldente.interface.options import Settings, notes_on, recipe_options
from aldente.studio.files import folder
from aldente.studio.forecast import forecast
from aldente.studio.lab import VARIED, LabRun, read_lab, run_lab, set_up
from aldente.studio.lab_files import LabFiles, sentences_of, write_lab
from aldente.studio.request import is_random
from aldente.studio.workbench import open_workbench
from aldente.tuning.isolation import Isolation


@recipe_options
def command(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", help=f"Names ({','.join(VARIED)}) or values ('cfg=5,7,9'); may be given again."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Over how many seeds; with 1 the seed is locked.")] = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder; the lab gets one of its own in it.")] = Path("out"),
    preset: Annotated[str | None, typer.Option("--preset", help="The base: see 'aldente presets'; 'auto' picks one.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Vary one parameter at a time, and say which moves the picture most."""
    bench = open_workbench(store)
    for note in notes_on([words for words in vary or [] if "=" in words]):
        tell(f"note: {note}")
    lab = set_up(bench, {"seed": "random", **settings, "prompt": prompt}, vary or [], seeds=seeds, preset=preset)
    if is_random(settings.get("seed", "random")):
        tell(f"seed {lab.base.seed}")
    cost = forecast(bench, lab.recipes())
    tell(f"{len(lab.strips)} parameters: {cost.sentence()}")
    if dry_run:
        return
    folder(out)
    drawn, stopped = gathered(lambda watch, ended: run_lab(bench, lab, watch=watch, cancelled=ended), cost.calls, quiet=as_json)
    run = LabRun(lab=lab, drawn=drawn)
    if stopped:
        tell(f"stopped; {run.missing} pictures are not drawn yet. The same command, with the same seed, goes on from there.")
        raise typer.Exit(130)
    found = read_lab(run)
    files = write_lab(run, found, out / f"lab-{lab.digest()[:8]}", made=bench.now()[:10], command=command_line())
    if as_json:
        emit({**found.model_dump(mode="json", exclude_none=True), "seed": lab.base.seed, "page": str(files.page)})
    else:
        _print(run, found, files)
    if run.failed:
        raise typer.Exit(1)


def _print(run: LabRun, found: Isolation, files: LabFiles) -> None:
    for one in run.failed:
        say(f"failed: {one.recipe.sampling.sampler}, seed {one.recipe.seed}: {one.record.failed}")
    rows = []
    for effect in found.effects:
        most = max(effect.shifts, key=lambda shift: shift.jnd.mean)
        rows.append((effect.label, f"{effect.size.mean:.2g}", most.label, f"{most.jnd.mean:.2g}"))
    table(("parameter", "moves by, JND", "most at", "JND there"), rows)
    say("")
    say(found.sentence)
    by_name = {effect.parameter: effect for effect in found.effects}
    for plan in run.lab.strips:
        for sentence in sentences_of(run, plan, by_name.get(plan.axes[0].parameter)):
            say(f"  {sentence}")
    say("")
    say(f"page:  {files.page}")
    say(f"seed:  {run.lab.base.seed}")
