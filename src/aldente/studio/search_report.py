"""From a finished search to its page: words, pictures, figures."""

from __future__ import annotations

from collections.abc import Sequence

import aldente
from aldente.quality.reference import rmse
from aldente.recipe.parameters import text_of
from aldente.report.fronts import Bar, Point, costs, pareto
from aldente.report.page import Plot, Table, picture
from aldente.report.search_page import SearchPage, search_page
from aldente.report.tuning_page import Comparison, Verdict
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.search import SearchRun
from aldente.studio.workbench import Workbench
from aldente.tuning.search.question import converged_recipe
from aldente.tuning.search.result import Effects, SearchResult, Tried
from aldente.tuning.search.space import fitting

COMPARED = 6

NAMES_ON_FRONT = 14
"""With more settings on the front than these, their names would cover each other."""


def report_of(bench: Workbench, run: SearchRun, *, made: str, command: str, preset: str | None) -> str:
    """The report of a search as one HTML file; ``made`` is the date, ``command`` the line that repeats the search."""
    search, result = run.search, run.result
    calls = sum(result.calls.values())
    return search_page(
        SearchPage(
            title=f"{search.base.model}, search, {search.goal}",
            about=f"Searched on {len(set(search.prompts))} prompts x {len(set(search.seeds))} seeds for {result.aim}.",
            made=made,
            verdict=_verdict(run, calls),
            comparisons=_comparisons(bench, run),
            front=_front(result, search.delta if search.minimise == "calls" and search.share is None else None),
            importance=None if result.effects is None else _importance(result.effects),
            effects=None if result.effects is None else _effects(result.effects),
            proof=_proof(result),
            race=_race(result),
            sentences=result.sentences[1:],
            limits=_limits(run),
            provenance=_provenance(bench, run, calls),
            use="" if preset is None else f"aldente generate 'your prompt' --preset {preset}",
            reproduce=command,
        )
    )


def _verdict(run: SearchRun, calls: int) -> Verdict:
    result, pick = run.result, run.result.pick
    facts = [("Cost of a picture", f"{pick.calls:.0f} model calls")]
    if pick.seconds is not None:
        facts.append(("Time of a picture", f"{pick.seconds:.2f} s in full batches here"))
    if pick.error is not None:
        facts.append(("Error", f"{pick.error:.2g} JND"))
    if pick.adherence is not None:
        facts.append(("Adherence", f"{pick.adherence:.3g}"))
    chosen = next((proof for proof in result.proofs if proof.settings == pick.settings), None)
    if chosen is not None:
        facts.append(("Held out", f"{chosen.verdict}, {chosen.gap:+.0%}"))
    share = f" for {calls / result.grid_calls:.1%} of what all of them cost" if result.grid_calls else ""
    return Verdict(
        setting=pick.title,
        saving=f"Found among {result.places} settings{share}.",
        sentence=result.sentences[0],
        facts=facts,
    )


def _comparisons(bench: Workbench, run: SearchRun) -> list[Comparison]:
    """The pick beside the converged picture of its own guidance; nothing is drawn that the store does not have."""
    search, pick = run.search, run.result.pick
    place = search.space.place(pick.settings)
    if place is None:
        return []
    recipe = search.space.recipe(search.base, place)
    instances = search.instances[:COMPARED]
    subjects = [recipe.model_copy(update={"prompt": prompt, "seed": seed}) for prompt, seed in instances]
    ends = [fitting(converged_recipe(search, subject)) for subject in subjects]
    made: dict[str, Drawn] = {one.recipe.digest(): one for one in draw(bench, [*subjects, *ends], Order(study=run.id))}
    found = []
    for (prompt, seed), subject, end in zip(instances, subjects, ends, strict=True):
        mine, exact = made[subject.digest()], made[end.digest()]
        if mine.record.failed or exact.record.failed:
            continue
        apart = rmse(mine.image, exact.image) / run.result.jnd
        found.append(
            Comparison(
                heading=prompt,
                chosen=picture(mine.image, alt=f"{prompt}: the pick"),
                dearest=picture(exact.image, alt=f"{prompt}: converged"),
                words=f"seed {seed}, {apart:.2g} JND apart",
            )
        )
    return found


def _front(result: SearchResult, delta: float | None) -> Plot | None:
    """Calls against error, of what was measured on every picture; the front with names."""
    most = max(one.pictures for one in result.tried)
    whole = [one for one in result.tried if one.error is not None and one.error > 0 and one.pictures == most]
    if not whole:
        return None
    crowded = sum(one.front for one in whole) > NAMES_ON_FRONT
    points = [
        Point(
            name=("" if crowded else _short(one)) + ("  (knee)" if one.knee else ""),
            cost=one.calls,
            loss=one.error or 0.0,
            dominated=not one.front,
            chosen=one.settings == result.pick.settings,
        )
        for one in whole
    ]
    figure = pareto(points, delta=delta, y_label="error in just noticeable differences")
    bend = next((one for one in whole if one.knee), None)
    reading = "Down and left is better; what lies on the line is beaten by nothing that was measured."
    if bend is not None:
        reading += f" It bends at {bend.title}: beyond it calls buy less."
    return Plot(heading="What each setting costs and gives", reading=reading, figure=figure)


def _short(one: Tried) -> str:
    """'DPM++ 2M Karras 14' for 'DPM++ 2M Karras, 14 steps, CFG 4'."""
    pair, steps, *_ = one.title.split(", ")
    return f"{pair} {steps.removesuffix(' steps')}"


def _importance(effects: Effects) -> Plot:
    shown = [share for share in effects.shares if share.share > 0.001][:8]
    bars = [
        Bar(name=" x ".join(share.names), cost=100.0 * share.share, chosen=n == 0, note=_note(effects, share.names))
        for n, share in enumerate(shown)
    ]
    figure = costs(bars, title="How much of the spread of the error each parameter explains", unit="%")
    return Plot(heading="What matters", reading=effects.sentence, figure=figure)


def _note(effects: Effects, names: Sequence[str]) -> str:
    """PED-ANOVA's word on a parameter."""
    value = effects.importance.get(names[0]) if len(names) == 1 else None
    return "" if value is None else f"{value:.0%} of being among the best quarter"


def _effects(effects: Effects) -> Table:
    rows = [
        (main.name if n == 0 else "", text_of(level.value), f"x {level.factor:.2f}", str(level.settings))
        for main in effects.main
        for n, level in enumerate(sorted(main.levels, key=lambda level: level.factor))
    ]
    return Table(columns=("Parameter", "Value", "Error", "Settings"), rows=rows, words=2)


def _proof(result: SearchResult) -> Table | None:
    if not result.proofs:
        return None
    rows = [
        (
            proof.title,
            proof.verdict,
            f"{proof.searched:.2g}",
            f"{proof.error.mean:.2g}",
            "-" if proof.error.high is None else f"{proof.error.high:.2g}",
            f"{proof.gap:+.0%}",
            f"{proof.flawed:.0%}",
        )
        for proof in result.proofs
    ]
    columns = ("Setting", "", "Error, searched", "held out", "at most", "Gap", "Flawed")
    chosen = [n for n, proof in enumerate(result.proofs) if proof.settings == result.pick.settings]
    return Table(columns=columns, rows=rows, words=2, chosen=chosen[0] if chosen else None)


def _race(result: SearchResult) -> Table:
    shown, most = list(result.tried), max(one.pictures for one in result.tried)
    optional = [
        ("Diversity", [one.diversity for one in shown], ".2f"),
        ("Adherence", [one.adherence for one in shown], ".3g"),
    ]
    extra = [(name, values, form) for name, values, form in optional if any(value is not None for value in values)]
    rows = [
        (
            one.title,
            one.source,
            one.stopped or ("on the front" if one.front else "to the end" if one.pictures == most else "not followed"),
            f"{one.calls:.0f}",
            str(one.pictures),
            "-" if one.error is None else f"{one.error:.2g}",
            *("-" if (value := values[n]) is None else format(value, form) for _, values, form in extra),
        )
        for n, one in enumerate(shown)
    ]
    faint = frozenset(n for n, one in enumerate(shown) if not one.front)
    chosen = next((n for n, one in enumerate(shown) if one.settings == result.pick.settings), None)
    columns = ("Setting", "Proposed by", "How far", "Calls", "Pictures", "Error, JND", *(name for name, _, _ in extra))
    return Table(columns=columns, rows=rows, words=3, chosen=chosen, faint=faint)


def _limits(run: SearchRun) -> list[str]:
    said = [
        "Errors are distances to the converged picture of the same prompt, seed and guidance; which picture is wanted is for"
        " eyes to say.",
        "Settings that were stopped early have the error of the pictures they met, not of all.",
        "Where more steps of a setting were not near enough, fewer were taken not to be; that is so almost always.",
    ]
    return [*said, "The budget ended the search."] if run.result.out_of_budget else said


def _provenance(bench: Workbench, run: SearchRun, calls: int) -> list[tuple[str, str]]:
    model = bench.model(run.search.base.model)
    info, runtime = model.info, model.runtime
    phases = ", ".join(f"{name} {count}" for name, count in run.result.calls.items())
    return [
        ("Search", run.id),
        ("Model", f"{info.name} {info.fingerprint[:16]}"),
        ("Made by", f"aldente {aldente.__version__}, {runtime.name} {runtime.version}, {runtime.device}"),
        ("Model calls", f"{calls}: {phases}"),
        ("Unit", f"1 JND = {run.result.jnd:.2f} steps of 255"),
        ("Time", f"{run.seconds:.0f} s, {run.seconds_per_call * 1e3:.2f} ms a model call"),
    ]
