"""``aldente tune``: the cheapest setting that is as good as the dearest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import command_line, emit, say, table, tell
from aldente.interface.options import Settings, recipe_options
from aldente.interface.study_progress import StudyProgress
from aldente.recipe.recipe import Recipe
from aldente.studio.files import folder, read_text, write
from aldente.studio.forecast import duration, seconds_per_row
from aldente.studio.request import resolve
from aldente.studio.tables import check_parquet
from aldente.studio.tuning import PROMPT_FILE, TuningRun, category_prompts, read_prompts, run_study
from aldente.studio.tuning_export import save_figures, save_tables
from aldente.studio.tuning_report import plots_of, report_of
from aldente.studio.workbench import Workbench, open_workbench
from aldente.tuning.budget import calls_for_seconds, fitted, total_calls
from aldente.tuning.categories import find_category
from aldente.tuning.study import CFGS, PAIRS, Guarantee, Study, parse_pair

TUNED_APART = ("sampler", "schedule", "steps", "seed")

MOST = 1e12
"""More calls, seconds or minutes than any budget."""

_BUDGET = re.compile(r"(?P<amount>\d+(?:\.\d+)?) ?(?P<unit>calls|s|min)", re.ASCII)


@recipe_options
def command(
    prompts: Annotated[Path | None, typer.Option("--prompts", help="A file with a prompt on each line.")] = None,
    category: Annotated[
        str | None,
        typer.Option("--category", help="What the prompts show: portrait, food ...; without --prompts, bundled ones."),
    ] = None,
    goal: Annotated[
        Literal["draft", "production", "final"], typer.Option("--goal", help="How near is near enough.")
    ] = "production",
    budget: Annotated[str | None, typer.Option("--budget", help="At most so much: 20000calls, 90s or 5min.")] = None,
    samplers: Annotated[str | None, typer.Option("--samplers", help="Which to compare: 'DPM++ 2M Karras,Euler a'.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds for each prompt.")] = 2,
    held_out: Annotated[
        Path | None, typer.Option("--held-out", help="A file of other prompts that confirm the choice.")
    ] = None,
    cfgs: Annotated[bool, typer.Option("--cfg-axis/--no-cfg-axis", help="Find the range of CFG as well.")] = True,
    guaranteed: Annotated[
        bool, typer.Option("--guaranteed", help="Draw prompts until verdicts are sure, whenever that is; takes 30 or more.")
    ] = False,
    confidence: Annotated[float, typer.Option("--confidence", help="How sure, between 0.5 and 1.")] = 0.95,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write the tables as Parquet too (needs aldente[export]).")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the report.")] = Path("out/tune"),
    name: Annotated[str | None, typer.Option("--name", help="The preset's name; the goal and the model if not given.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Find the cheapest setting that is as good as the dearest."""
    for fixed in TUNED_APART:
        if fixed in settings:
            raise UserError(f"{fixed} is what a study varies: leave --{fixed} out (--samplers says which to compare).")
    if not 0.5 < confidence < 1.0:
        raise UserError(f"confidence is {confidence:g}; it must lie between 0.5 and 1, such as 0.95.")
    if parquet:
        check_parquet()
    kind = "" if category is None else find_category(category).name
    measuring, confirming = _prompts(prompts, held_out, kind)
    bench = open_workbench(store)
    base = resolve(bench, {"cfg": 4.0, **settings})
    study = Study(
        base=base,
        prompts=measuring,
        held_out_prompts=confirming,
        seeds=tuple(range(1, seeds + 1)),
        goal=goal,
        pairs=tuple(parse_pair(text, base) for text in samplers.split(",")) if samplers else PAIRS,
        baseline_cfg=base.sampling.guidance.scale,
        cfgs=CFGS if cfgs else (),
        budget_calls=_calls(budget, bench, base=base) if budget is not None else None,
        alpha=round(1.0 - confidence, 9),
        guarantee=Guarantee() if guaranteed else None,
    )
    name = name or "-".join(part for part in (base.model, kind, goal) if part)
    keep = Keep(out=out, parquet=parquet, as_json=as_json)
    carry_out(bench, study, keep, name=name, command=command_line(), category=kind)


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Where a study leaves its report, whether its tables are Parquet too, and whether it answers with JSON."""

    out: Path
    parquet: bool = False
    as_json: bool = False


def carry_out(bench: Workbench, study: Study, keep: Keep, *, name: str, command: str, category: str = "") -> None:
    """Run a study with its progress, write the report with its figures and tables, print what was found."""
    out, as_json = folder(keep.out), keep.as_json
    smaller, cuts = fitted(study)
    speed = _speed(bench, study.base)
    calls = total_calls(smaller)
    tell(f"At most {calls} model calls, about {duration(calls * speed)} on this machine; stored pictures are not drawn again.")
    for cut in cuts:
        tell(f"  {cut}")
    try:
        with StudyProgress(calls, quiet=as_json) as listen:
            run = run_study(bench, study, seconds_per_call=speed, preset_name=name, listen=listen, category=category)
    except KeyboardInterrupt:
        tell("stopped; every finished picture is kept. The same command goes on from there.")
        raise typer.Exit(130) from None
    plots = plots_of(run)
    report = write(out / "report.html", report_of(run, plots=plots, made=bench.now()[:10], command=command))
    facts = write(out / "result.json", run.result.model_dump_json(indent=2))
    figures = save_figures(plots, out / "figures")
    tables = save_tables(run, out / "tables", parquet=keep.parquet)
    if as_json:
        emit({**run.result.model_dump(mode="json"), "preset": run.preset.model_dump(mode="json"), "report": str(report)})
        return
    _print(run)
    say(f"report:  {report}")
    say(f"numbers: {facts}, {len(tables)} tables in {out / 'tables'}, {len(figures)} figures in {out / 'figures'}")
    say(f"preset:  {run.preset.name}   use it: aldente generate 'your prompt' --preset {run.preset.name}")


def _print(run: TuningRun) -> None:
    choice, delta = run.result.choice, run.result.tolerance.delta
    rows = []
    for curve in run.result.curves:
        rung = next((r for r in curve.rungs if r.steps == curve.plateau), curve.rungs[-1])
        chosen = "<- chosen" if (curve.sampler, curve.schedule) == (choice.sampler, choice.schedule) else ""
        plateau = f"> {rung.steps}" if curve.plateau is None else str(curve.plateau)
        high = "" if rung.loss.high is None else f"{rung.loss.high:.2g}"
        rows.append((curve.title, plateau, f"{rung.calls:.0f}", f"{rung.loss.mean:.2g}", high, chosen))
    table(("sampler", "plateau, steps", "calls", f"loss (tolerance {delta:.2g} JND)", "at most", ""), rows)
    say("")
    for sentence in run.result.sentences:
        say(sentence)
    say(run.result.confidence)
    say("")


def _speed(bench: Workbench, base: Recipe) -> float:
    """Seconds of one model evaluation, measured now."""
    return seconds_per_row(bench, bench.model(base.model), (base.width, base.height))


def _prompts(prompts: Path | None, held_out: Path | None, category: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The prompts to measure on and those that confirm: from files, or those that are bundled for the category."""
    confirming = read_prompts(read_text(held_out, PROMPT_FILE), str(held_out)) if held_out else ()
    if prompts is not None:
        return read_prompts(read_text(prompts, PROMPT_FILE), str(prompts)), confirming
    if not category:
        raise UserError("a study needs prompts: give --prompts FILE, or --category NAME for bundled ones.")
    measuring, bundled = category_prompts(category)
    return measuring, confirming or bundled


def _calls(budget: str, bench: Workbench, *, base: Recipe) -> int:
    """A budget in model calls, from calls, seconds or minutes. Raises UserError for any other text."""
    found = _BUDGET.fullmatch(budget.strip().lower())
    amount = float(found["amount"]) if found else 0.0
    if found is None or not 0.0 < amount < MOST:
        raise UserError(f"budget is '{budget}'; write it as 20000calls, 90s or 5min.")
    if found["unit"] == "calls":
        return int(amount)
    return calls_for_seconds(amount * (60.0 if found["unit"] == "min" else 1.0), _speed(bench, base))
