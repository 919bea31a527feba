"""``aldente search``: the best setting over many parameters at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import command_line, emit, say, table, tell
from aldente.interface.options import Settings, recipe_options
from aldente.interface.study_progress import StudyProgress
from aldente.quality.adherence import Adherence
from aldente.recipe.recipe import Recipe
from aldente.render.batching import Tick
from aldente.studio.files import folder, read_text, write
from aldente.studio.forecast import seconds_per_row
from aldente.studio.request import resolve
from aldente.studio.search import Scorer, SearchRun, find_search, keep_search_preset, run_search, study_id, taken_up
from aldente.studio.search_report import report_of
from aldente.studio.search_space import space_of, starts_in
from aldente.studio.tuning import PROMPT_FILE, category_prompts, read_prompts
from aldente.studio.workbench import Workbench, open_workbench
from aldente.tuning.budget import calls_for_seconds
from aldente.tuning.categories import find_category
from aldente.tuning.search.board import Want
from aldente.tuning.search.question import Search
from aldente.tuning.search.result import Tried
from aldente.tuning.study import Need

_BUDGET = re.compile(r"(?P<amount>\d{1,12}(?:\.\d+)?) ?(?P<unit>calls|s|min)", re.ASCII)
_SHARE = re.compile(r"(?P<amount>\d{1,3}(?:\.\d+)?) ?%?", re.ASCII)

SHOWN = 12
"""So many settings are listed; all of them are in the report."""


@recipe_options
def command(
    prompts: Annotated[Path | None, typer.Option("--prompts", help="A file with a prompt on each line.")] = None,
    category: Annotated[
        str | None,
        typer.Option("--category", help="What the prompts show: portrait, food ...; without --prompts, bundled ones."),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option("--space", help="What to vary: 'cfg=2..9', 'sampler=euler,heun', 'steps=6..40'; may be given again."),
    ] = None,
    goal: Annotated[
        Literal["draft", "production", "final"], typer.Option("--goal", help="How near is near enough.")
    ] = "production",
    max_calls: Annotated[
        float | None, typer.Option("--max-calls", help="The most exact setting of at most so many model calls a picture.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", help="The most exact setting of at most so many seconds a picture, here.")
    ] = None,
    at_least: Annotated[
        str | None, typer.Option("--at-least", help="The cheapest setting with so much of the best quality, such as '98%'.")
    ] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="At most so much in all: 20000calls, 90s or 5min.")] = None,
    asks: Annotated[int, typer.Option("--asks", min=0, max=10_000, help="How many settings the joint search proposes.")] = 40,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds for each prompt.")] = 2,
    held_out: Annotated[
        Path | None, typer.Option("--held-out", help="A file of other prompts that confirm the choice.")
    ] = None,
    adherence: Annotated[
        bool, typer.Option("--adherence/--no-adherence", help="Score adherence where guidance is varied and the model can.")
    ] = True,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with the search of this id.")] = None,
    save_preset: Annotated[str | None, typer.Option("--save-preset", help="Keep the pick as a preset of this name.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the report.")] = Path("out/search"),
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Find the best setting over many parameters at once, and prove it on other pictures."""
    bench = open_workbench(store)
    kind = "" if category is None else find_category(category).name
    if resume is not None:
        search = find_search(bench, resume)
    else:
        if "seed" in settings:
            raise UserError("a search is carried out over several seeds: leave --seed out (--seeds says how many).")
        measuring, confirming = _prompts(prompts, held_out, kind)
        base = resolve(bench, {"cfg": 4.0, **settings})
        speed = _speed(bench, base)
        limit = _limit(max_calls, max_seconds, speed)
        varied = space_of(space or [], base, settings)
        search = Search(
            base=base,
            prompts=measuring,
            held_out_prompts=confirming,
            seeds=tuple(range(1, seeds + 1)),
            space=varied,
            goal=goal,
            minimise="error" if limit is not None and at_least is None else "calls",
            calls_at_most=limit,
            share=_share(at_least),
            asks=asks,
            budget_calls=None if budget is None else _calls(budget, speed),
            starts=starts_in(bench.store, varied),
        )
        measure = _scorer(base.model) if adherence and search.tastes else None
        search = taken_up(bench, search if measure is None else search.model_copy(update={"scorer": measure.key}))
    carry_out(bench, search, out=out, preset=save_preset, as_json=as_json, category=kind)


def carry_out(bench: Workbench, search: Search, *, out: Path, preset: str | None, as_json: bool, category: str) -> None:
    """Run a search with its progress, write the report, keep the preset, print what was found."""
    folder(out)
    speed = _speed(bench, search.base)
    names = ", ".join(f"{dimension.name} ({len(dimension.values)})" for dimension in search.space.dimensions)
    tell(f"{search.space.size} settings: {names}; {len(search.instances)} pictures of each that is measured to the end.")
    if search.tastes and search.scorer is None:
        tell(f"note: nothing measures adherence, so {', '.join(search.tastes)} can be judged by flaws and price alone.")
    scorer = _named_scorer(search)
    try:
        with StudyProgress(0, quiet=as_json) as listen:
            run = run_search(bench, search, seconds_per_call=speed, listen=_listener(listen), scorer=scorer)
    except KeyboardInterrupt:
        tell(f"stopped; every measurement is kept. The same command, or 'aldente search --resume {study_id(search)}', goes on.")
        raise typer.Exit(130) from None
    kept = None if preset is None else keep_search_preset(bench, run, preset, category=category)
    report = write(out / "report.html", report_of(bench, run, made=bench.now()[:10], command=command_line(), preset=preset))
    facts = write(out / "result.json", run.result.model_dump_json(indent=2))
    if as_json:
        body = None if kept is None else kept.model_dump(mode="json", exclude_none=True)
        emit({**run.result.model_dump(mode="json"), "id": run.id, "preset": body, "report": str(report)})
        return
    _print(run, preset, report, facts)


def _scorer(model: str) -> Adherence | None:
    """What measures adherence for a model, if anything does."""
    from aldente.studio.adherence import scorer_for  # noqa: PLC0415 - heavy, and for varied guidance only

    try:
        return scorer_for(model)
    except UserError as error:
        tell(f"note: {error}")
        return None


def _named_scorer(search: Search) -> Scorer | None:
    """The scorer that a search names. Raises UserError where another one is installed now."""
    if search.scorer is None:
        return None
    found = _scorer(search.base.model)
    if found is None or found.key != search.scorer:
        raise UserError(f"the search was begun with the scorer {search.scorer}, which is not here; begin it anew.")
    return lambda prompt, image: found.compute(image, prompt)


def _listener(listen: Callable[[Need], Callable[[Tick], None] | None]) -> Callable[[Want], Callable[[Tick], None] | None]:
    """The bar of studies, told of a search's wants."""
    return lambda want: listen(Need(phase=want.phase, recipes=(), calls=want.calls, calls_after=want.calls_after))


def _print(run: SearchRun, preset: str | None, report: Path, facts: Path) -> None:
    result = run.result
    rows = [
        (
            one.title,
            f"{one.calls:.0f}",
            "" if one.error is None else f"{one.error:.2g}",
            "" if one.adherence is None else f"{one.adherence:.3g}",
            f"{one.flawed:.0%}",
            "<- pick" if one.settings == result.pick.settings else "knee" if one.knee else "",
        )
        for one in _spread(result.front)
    ]
    table(("on the front", "calls", "error, JND", "adherence", "flawed", ""), rows)
    say("")
    for sentence in result.sentences:
        say(sentence)
    calls = sum(result.calls.values())
    share = f", {calls / result.grid_calls:.1%} of the whole grid's" if result.grid_calls else ""
    say(
        f"{len(result.tried)} of {result.places} settings were measured; the joint search proposed {result.asks}, of which"
        f" {result.ruled_out} were ruled out without a picture: {calls} model calls{share}."
    )
    say("")
    say(f"search:  {run.id}")
    say(f"report:  {report}")
    say(f"figures: {facts}")
    if preset is not None:
        say(f"preset:  {preset}   use it: aldente generate 'your prompt' --preset {preset}")


def _spread(items: tuple[Tried, ...]) -> list[Tried]:
    """At most as many as are shown, evenly from the first to the last."""
    if len(items) <= SHOWN:
        return list(items)
    return [items[round(i * (len(items) - 1) / (SHOWN - 1))] for i in range(SHOWN)]


def _speed(bench: Workbench, base: Recipe) -> float:
    """Seconds of one model evaluation, measured now."""
    return seconds_per_row(bench, bench.model(base.model), (base.width, base.height))


def _limit(max_calls: float | None, max_seconds: float | None, speed: float) -> float | None:
    """The most calls of a picture. Raises UserError for what is not above 0."""
    for name, amount in (("max-calls", max_calls), ("max-seconds", max_seconds)):
        if amount is not None and not 0 < amount < float("inf"):
            raise UserError(f"--{name} is {amount:g}; it must be a number above 0.")
    limits = [limit for limit in (max_calls, None if max_seconds is None else max_seconds / speed) if limit is not None]
    return min(limits) if limits else None


def _share(text: str | None) -> float | None:
    """The share that '98%' or '98' means. Raises UserError for any other text."""
    if text is None:
        return None
    found = _SHARE.fullmatch(text.strip())
    if found is None or not 0.0 < float(found["amount"]) <= 100.0:
        raise UserError(f"at-least is '{text}'; write a share of the best quality, such as 98%.")
    return float(found["amount"]) / 100.0


def _prompts(prompts: Path | None, held_out: Path | None, category: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The prompts to search on and those that confirm: from files, or those that are bundled for the category."""
    confirming = read_prompts(read_text(held_out, PROMPT_FILE), str(held_out)) if held_out else ()
    if prompts is not None:
        return read_prompts(read_text(prompts, PROMPT_FILE), str(prompts)), confirming
    if not category:
        raise UserError("a search needs prompts: give --prompts FILE, or --category NAME for bundled ones.")
    measuring, bundled = category_prompts(category)
    return measuring, confirming or bundled


def _calls(budget: str, speed: float) -> int:
    """A budget in model calls, from calls, seconds or minutes. Raises UserError for any other text."""
    found = _BUDGET.fullmatch(budget.strip().lower())
    amount = float(found["amount"]) if found else 0.0
    if found is None or amount <= 0.0:
        raise UserError(f"budget is '{budget}'; write it as 20000calls, 90s or 5min.")
    if found["unit"] == "calls":
        return max(1, int(amount))
    return calls_for_seconds(amount * (60.0 if found["unit"] == "min" else 1.0), speed)
