"""``aldente tune``: the cheapest setting that is as good as the dearest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import command_line, emit, say, table, tell
from aldente.interface.options import JsonOption, Settings, StoreOption, recipe_options
from aldente.interface.study_options import (
    BudgetOption,
    CategoryOption,
    GoalOption,
    HeldOutOption,
    Pictures,
    PromptsOption,
    ReportOption,
    SeedsOption,
    budget_calls,
    speed_of,
)
from aldente.interface.study_progress import StudyProgress
from aldente.studio.files import folder, write
from aldente.studio.forecast import duration
from aldente.studio.request import resolve
from aldente.studio.tables import check_parquet
from aldente.studio.tuning import TuningRun, run_study
from aldente.studio.tuning_export import save_figures, save_tables
from aldente.studio.tuning_report import plots_of, report_of
from aldente.studio.workbench import Workbench, open_workbench
from aldente.tuning.budget import fitted, total_calls
from aldente.tuning.categories import find_category
from aldente.tuning.result import Goal
from aldente.tuning.study import CFGS, PAIRS, Guarantee, Study, parse_pair

TUNED_APART = ("sampler", "schedule", "steps", "seed")

SamplersOption = Annotated[str | None, typer.Option("--samplers", help="Which to compare: 'DPM++ 2M Karras,Euler a'.")]
CfgAxisOption = Annotated[bool, typer.Option("--cfg-axis/--no-cfg-axis", help="Find the range of CFG as well.")]
GuaranteedOption = Annotated[
    bool, typer.Option("--guaranteed", help="Draw prompts until verdicts are sure, whenever that is; takes 30 or more.")
]
ParquetOption = Annotated[bool, typer.Option("--parquet", help="Write the tables as Parquet too (needs the extra 'export').")]


class Asked(NamedTuple):
    """What the options ask for, as they were written."""

    pictures: Pictures
    goal: Goal
    budget: str | None
    samplers: str | None
    cfgs: bool
    guaranteed: bool
    confidence: float


@recipe_options
def command(
    prompts: PromptsOption = None,
    category: CategoryOption = None,
    goal: GoalOption = "production",
    budget: BudgetOption = None,
    samplers: SamplersOption = None,
    seeds: SeedsOption = 2,
    held_out: HeldOutOption = None,
    cfgs: CfgAxisOption = True,
    guaranteed: GuaranteedOption = False,
    confidence: Annotated[float, typer.Option("--confidence", help="How sure, between 0.5 and 1.")] = 0.95,
    parquet: ParquetOption = False,
    out: ReportOption = Path("out/tune"),
    name: Annotated[str | None, typer.Option("--name", help="The preset's name; the goal and the model if not given.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    *,
    settings: Settings,
) -> None:
    """Find the cheapest setting that is as good as the dearest."""
    if parquet:
        check_parquet()
    kind = "" if category is None else find_category(category).name
    asked = Asked(Pictures(prompts, held_out, kind, seeds), goal, budget, samplers, cfgs, guaranteed, confidence)
    bench = open_workbench(store)
    study = _asked_study(bench, asked, settings)
    name = name or "-".join(part for part in (study.base.model, kind, goal) if part)
    keep = Keep(out=out, parquet=parquet, as_json=as_json)
    carry_out(bench, study, keep, name=name, command=command_line(), category=kind)


def _asked_study(bench: Workbench, asked: Asked, settings: Settings) -> Study:
    """The study that is asked for."""
    for fixed in TUNED_APART:
        if fixed in settings:
            raise UserError(f"{fixed} is what a study varies: leave --{fixed} out (--samplers says which to compare).")
    if not 0.5 < asked.confidence < 1.0:
        raise UserError(f"confidence is {asked.confidence:g}; it must lie between 0.5 and 1, such as 0.95.")
    measuring, confirming = asked.pictures.read("a study")
    base = resolve(bench, {"cfg": 4.0, **settings})
    return Study(
        base=base,
        prompts=measuring,
        held_out_prompts=confirming,
        seeds=tuple(range(1, asked.pictures.seeds + 1)),
        goal=asked.goal,
        pairs=tuple(parse_pair(text, base) for text in asked.samplers.split(",")) if asked.samplers else PAIRS,
        baseline_cfg=base.sampling.guidance.scale,
        cfgs=CFGS if asked.cfgs else (),
        budget_calls=budget_calls(asked.budget, speed_of(bench, base)) if asked.budget is not None else None,
        alpha=round(1.0 - asked.confidence, 9),
        guarantee=Guarantee() if asked.guaranteed else None,
    )


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
    speed = speed_of(bench, study.base)
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
