"""``aldente run``: a project from a file, or one that comes with aldente."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import command_line, emit, progress, say, table, tell
from aldente.recipe.project import Variant
from aldente.studio.projects.opening import Opened, bundled, open_project
from aldente.studio.projects.planning import ProjectPlan, plan_project
from aldente.studio.projects.producing import Production, estimate, produce, report
from aldente.studio.projects.report import Standing, facts_of
from aldente.studio.projects.running import Result, check_gates
from aldente.studio.projects.trial import Side, find_choice, plan_trial, run_trial, table_of, write_trial
from aldente.studio.workbench import Workbench, open_workbench


def command(
    what: Annotated[str | None, typer.Argument(help="A project's TOML file, or a bundled project: see --list.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder for pictures and report.")] = None,
    small: Annotated[bool, typer.Option("--small", help="As the project's table 'small' says: a few small pictures.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would draw and cost, and stop.")] = False,
    choose: Annotated[str | None, typer.Option("--choose", help="Go on with this choice of the project's A/B.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the projects that come with aldente.")] = False,
    export: Annotated[Path | None, typer.Option("--export", help="Write the project's file here, to begin your own.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Draw a project: many subjects through stages and gates, with a report. The same line goes on where it stopped."""
    if list_ or what is None:
        _list(as_json=as_json)
        return
    opened = open_project(what, small=small)
    if export is not None:
        from aldente.studio.files import write  # noqa: PLC0415

        say(str(write(export, opened.text)))
        return
    check_gates(opened.project.gates)
    place = out or opened.out
    bench = open_workbench(store)
    trial = opened.project.ab
    chosen = find_choice(trial, choose) if choose is not None else None
    if trial is not None and chosen is None and not dry_run:
        chosen = _try(bench, opened, place, quiet=as_json)
        if chosen is None:
            return
    plan = plan_project(bench, opened, choice=chosen, draw_references=not dry_run, listen=tell)
    cost = estimate(bench, plan, place)
    tell(f"{opened.project.name}: {cost.sentence()}")
    if dry_run:
        _plan(plan, as_json=as_json)
        return
    _draw(bench, Production(plan=plan, place=place), calls=cost.forecast.calls, quiet=as_json)


def _list(*, as_json: bool) -> None:
    found = bundled()
    if as_json:
        emit([{"name": name, "title": one.name, "about": one.project.about} for name, one in found.items()])
        return
    table(("project", "what it is"), [(name, one.project.about) for name, one in found.items()])
    say("")
    say("Try one: aldente run character --small   Make it yours: aldente run character --export mine.toml")


def _draw(bench: Workbench, production: Production, *, calls: int, quiet: bool) -> None:
    """Draw, tell, report; exit code 1 where something failed or was refused, 130 when stopped."""
    stopped = False
    total = len(production.plan.shots)
    try:
        with progress("drawing", calls, quiet=quiet) as watch:
            for result, path in produce(bench, production, watch=watch):
                if not quiet:
                    say(_line(result, path, total))
    except KeyboardInterrupt:
        stopped = True
    page = report(bench, production, command=command_line())
    standing = production.standing()
    if quiet:
        emit({**facts_of(standing, production.place), "page": str(page)})
    else:
        _sum(standing, page)
    if stopped or (standing.missing and not production.plan.project.budget.model_dump(exclude_none=True)):
        tell(f"stopped; {standing.missing} pictures are not drawn yet. The same command goes on from there.")
        raise typer.Exit(130)
    if standing.missing:
        tell(f"the budget is spent; {standing.missing} pictures are not drawn. With a larger one the same command goes on.")
        raise typer.Exit(1)
    if standing.failed or standing.refused:
        raise typer.Exit(1)


def _line(result: Result, path: Path | None, total: int) -> str:
    record = result.drawn.record
    at = f"{result.shot.number}/{total}"
    if record.failed:
        return f"{at} failed: {result.shot.subject.label}: {record.failed}"
    tries = f", attempt {result.attempt + 1}" if result.attempt else ""
    if path is None:
        return f"{at} rejected{tries}: {result.shot.subject.label}: {'; '.join(result.reasons)}  (id {record.id[:8]})"
    how = "from the store" if result.drawn.reused else f"{record.cost.model_calls} calls, {record.cost.seconds:.2f} s"
    return f"{at} {path}  ({how}{tries}; id {record.id[:8]})"


def _sum(standing: Standing, page: Path) -> None:
    calls, seconds = standing.cost()
    said = f"{len(standing.kept)} of {len(standing.plan.shots)} pictures, {calls} model calls, {seconds:.1f} s of drawing"
    parts = [
        f"{standing.rejected} rejected by the gates" if standing.rejected else "",
        f"{len(standing.failed)} failed" if standing.failed else "",
    ]
    say("; ".join([said, *filter(None, parts)]))
    say(f"page:  {page}")


def _plan(plan: ProjectPlan, *, as_json: bool) -> None:
    rows = [(str(s.number), s.subject.label, s.label, str(s.recipe.seed), s.recipe.prompt) for s in plan.shots]
    if as_json:
        emit([dict(zip(("number", "subject", "variant", "seed", "prompt"), row, strict=True)) for row in rows])
        return
    shown = rows if len(rows) <= 40 else [*rows[:30], ("...", f"{len(rows) - 35} more", "", "", ""), *rows[-5:]]
    table(("number", "subject", "variant", "seed", "prompt"), shown)


def _try(bench: Workbench, opened: Opened, place: Path, *, quiet: bool) -> Variant | None:
    """Draw the A/B and ask which choice to go on with; None where nobody can be asked."""
    trial = opened.project.ab
    assert trial is not None
    plans = plan_trial(bench, opened, trial)
    tell(f"A/B first: {len(trial.choices)} choices on {sum(len(plan.shots) for plan in plans)} pictures.")
    with progress("trying", 0, quiet=quiet) as watch:
        sides = run_trial(bench, trial, plans, watch=watch)
    files = write_trial(sides, place, made=bench.now()[:10], command=command_line())
    found = table_of(sides)
    if quiet:
        emit({"ab": [dict(zip(found.columns, row, strict=True)) for row in found.rows], "files": [str(path) for path in files]})
        return None
    table(tuple(found.columns), [tuple(row) for row in found.rows])
    for path in files:
        say(f"see:   {path}")
    return _asked(sides)


def _asked(sides: tuple[Side, ...]) -> Variant | None:
    names = ", ".join(side.choice.name for side in sides)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        say(f"Go on with one of them: the same command with --choose NAME ({names}).")
        return None
    while answer := input(f"Go on with which ({names}; nothing to stop)? ").strip():
        for side in sides:
            if side.choice.name.casefold() == answer.casefold():
                return side.choice
        say(f"'{answer}' is none of them.")
    return None
