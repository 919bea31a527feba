"""``aldente search``: the best setting over many parameters at once."""

from __future__ import annotations

import re
from collections.abc import Callable
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
from aldente.quality.adherence import Adherence
from aldente.render.batching import Tick
from aldente.studio.files import folder, write
from aldente.studio.request import resolve
from aldente.studio.search import SearchRun, find_search, keep_search_preset, run_search, taken_up
from aldente.studio.search_gallery import Scorer, study_id
from aldente.studio.search_report import report_of
from aldente.studio.search_space import space_of, starts_in
from aldente.studio.workbench import Workbench, open_workbench
from aldente.tuning.categories import find_category
from aldente.tuning.result import Goal
from aldente.tuning.search.question import Search
from aldente.tuning.search.result import Tried
from aldente.tuning.search.wants import Want
from aldente.tuning.study import Need

_SHARE = re.compile(r"(?P<amount>\d{1,3}(?:\.\d+)?) ?%?", re.ASCII)

SHOWN = 12
"""So many settings are listed; all of them are in the report."""

SpaceOption = Annotated[
    list[str] | None,
    typer.Option("--space", help="What to vary: 'cfg=2..9', 'sampler=euler,heun', 'steps=6..40'; may be given again."),
]
MaxCallsOption = Annotated[
    float | None, typer.Option("--max-calls", help="The most exact setting of at most so many model calls a picture.")
]
MaxSecondsOption = Annotated[
    float | None, typer.Option("--max-seconds", help="The most exact setting of at most so many seconds a picture, here.")
]
AtLeastOption = Annotated[
    str | None, typer.Option("--at-least", help="The cheapest setting with so much of the best quality, such as '98%'.")
]
AsksOption = Annotated[int, typer.Option("--asks", min=0, max=10_000, help="How many settings the joint search proposes.")]
AdherenceOption = Annotated[
    bool, typer.Option("--adherence/--no-adherence", help="Score adherence where guidance is varied and the model can.")
]


class Limits(NamedTuple):
    """What a picture may cost and must be worth, and what the whole search may cost, as it was written."""

    max_calls: float | None
    max_seconds: float | None
    at_least: str | None
    budget: str | None


class Asked(NamedTuple):
    """What the options ask for."""

    pictures: Pictures
    limits: Limits
    space: list[str]
    goal: Goal
    asks: int
    adherence: bool


@recipe_options
def command(
    prompts: PromptsOption = None,
    category: CategoryOption = None,
    space: SpaceOption = None,
    goal: GoalOption = "production",
    max_calls: MaxCallsOption = None,
    max_seconds: MaxSecondsOption = None,
    at_least: AtLeastOption = None,
    budget: BudgetOption = None,
    asks: AsksOption = 40,
    seeds: SeedsOption = 2,
    held_out: HeldOutOption = None,
    adherence: AdherenceOption = True,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with the search of this id.")] = None,
    save_preset: Annotated[str | None, typer.Option("--save-preset", help="Keep the pick as a preset of this name.")] = None,
    out: ReportOption = Path("out/search"),
    store: StoreOption = None,
    as_json: JsonOption = False,
    *,
    settings: Settings,
) -> None:
    """Find the best setting over many parameters at once, and prove it on other pictures."""
    bench = open_workbench(store)
    kind = "" if category is None else find_category(category).name
    asked = Asked(
        Pictures(prompts, held_out, kind, seeds),
        Limits(max_calls, max_seconds, at_least, budget),
        space or [],
        goal,
        asks,
        adherence,
    )
    search = _begun(bench, asked, settings) if resume is None else find_search(bench, resume)
    carry_out(bench, search, out=out, preset=save_preset, as_json=as_json, category=kind)


def _begun(bench: Workbench, asked: Asked, settings: Settings) -> Search:
    """The search that is asked for, taken up where an earlier one of the same question was left."""
    if "seed" in settings:
        raise UserError("a search is carried out over several seeds: leave --seed out (--seeds says how many).")
    measuring, confirming = asked.pictures.read("a search")
    base = resolve(bench, {"cfg": 4.0, **settings})
    speed = speed_of(bench, base)
    limits = asked.limits
    limit = _limit(limits.max_calls, limits.max_seconds, speed)
    varied = space_of(asked.space, base, settings)
    search = Search(
        base=base,
        prompts=measuring,
        held_out_prompts=confirming,
        seeds=tuple(range(1, asked.pictures.seeds + 1)),
        space=varied,
        goal=asked.goal,
        minimise="error" if limit is not None and limits.at_least is None else "calls",
        calls_at_most=limit,
        share=_share(limits.at_least),
        asks=asked.asks,
        budget_calls=budget_calls(limits.budget, speed),
        starts=starts_in(bench.store, varied),
    )
    measure = _scorer(base.model) if asked.adherence and search.tastes else None
    return taken_up(bench, search if measure is None else search.model_copy(update={"scorer": measure.key}))


def carry_out(bench: Workbench, search: Search, *, out: Path, preset: str | None, as_json: bool, category: str) -> None:
    """Run a search with its progress, write the report, keep the preset, print what was found."""
    folder(out)
    speed = speed_of(bench, search.base)
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
