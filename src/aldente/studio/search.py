"""Running a search: pictures are drawn and judged, every judgement is a row of the store, and it goes on from its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aldente
from aldente.engine.errors import UserError
from aldente.recipe.presets import Plain, Preset
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Tick
from aldente.studio.library import versions_of
from aldente.studio.presets import keep_preset
from aldente.studio.search_gallery import KIND, Gallery, Scorer
from aldente.studio.workbench import Workbench
from aldente.tuning.search.outcome import result_of
from aldente.tuning.search.protocol import Searched, search_through
from aldente.tuning.search.question import Search
from aldente.tuning.search.result import SearchResult
from aldente.tuning.search.wants import Want

PROMPTS_KEPT = 8

Listener = Callable[[Want], Callable[[Tick], None] | None]
"""Told of each thing a search asks for; what it returns watches the drawing."""


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """A finished search: its id, its question, what was found, and how long it took now."""

    id: str
    search: Search
    result: SearchResult
    seconds: float
    seconds_per_call: float


def run_search(
    bench: Workbench, search: Search, *, seconds_per_call: float, listen: Listener, scorer: Scorer | None = None
) -> SearchRun:
    """Carry out a search; one that was stopped, or whose process was killed, goes on from its rows to the same end.

    ``scorer`` measures adherence and is named by the question. Raises UserError when the search cannot be carried out.
    """
    if (scorer is None) is not (search.scorer is None):
        raise UserError("a search names the scorer of adherence that it is given, and no other.")
    gallery = Gallery(bench, search, scorer)
    started = bench.clock()
    protocol = search_through(search, gallery.price, gallery.kept_asks())
    try:
        want = next(protocol)
        while True:
            want = protocol.send(gallery.answer(want, listen(want)))
    except StopIteration as stop:
        searched: Searched = stop.value
    except KeyboardInterrupt:
        bench.store.save_study(gallery.entry.model_copy(update={"state": "cancelled"}))
        raise
    result = result_of(searched, jnd=gallery.jnd, seconds_per_call=seconds_per_call)
    gallery.keep(
        {gallery.key("result", result.digest()): {"model": gallery.fingerprint, "search": result.model_dump(mode="json")}}
    )
    bench.store.save_study(gallery.entry.model_copy(update={"state": "finished", "finished": bench.now()}))
    return SearchRun(
        id=gallery.entry.id,
        search=search,
        result=result,
        seconds=bench.clock() - started,
        seconds_per_call=seconds_per_call,
    )


def find_search(bench: Workbench, wanted: str) -> Search:
    """The question of a search that is in the store, by its id or the beginning of it. Raises UserError when there is none."""
    entries = [entry for entry in bench.store.studies(kind=KIND, limit=1000) if entry.id.startswith(wanted)]
    if len(entries) != 1:
        why = "is the beginning of several; give more digits" if entries else "is no search in this store"
        raise UserError(f"search '{wanted}' {why}. The same command as before goes on as well.")
    return Search.model_validate(entries[0].spec)


def taken_up(bench: Workbench, search: Search) -> Search:
    """The same question as it was begun before, with the presets of then to try first; the question itself if it is new."""
    spec = _but_starts(search.model_dump(mode="json", exclude_none=True))
    known = (entry.spec for entry in bench.store.studies(kind=KIND, limit=1000))
    return next((Search.model_validate(old) for old in known if _but_starts(old) == spec), search)


def _but_starts(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name != "starts"}


def keep_search_preset(bench: Workbench, run: SearchRun, name: str, *, category: str = "") -> Preset:
    """Keep a search's pick as a measured preset that names its proof, and return it."""
    search, result, model = run.search, run.result, bench.model(run.search.base.model)
    pick = result.pick
    chosen = next((proof for proof in result.proofs if proof.settings == pick.settings), None)
    settings: dict[str, Plain] = {key: "unset" if value is None else value for key, value in pick.settings.items()}
    base = search.base.sampling
    fixed: dict[str, Plain] = {
        "sampler": base.sampler,
        "schedule": base.schedule,
        "steps": base.steps,
        "cfg": base.guidance.scale,
    }
    loss = pick.error if chosen is None else chosen.error.mean
    high = None if chosen is None else chosen.error.high
    proof = {} if loss is None else {"loss": loss, "tolerance": search.delta}
    recipe = set_parameters(search.base, {**fixed, **settings})
    preset = Preset(
        name=name,
        summary=result.sentences[0],
        goal=search.goal,
        category=category,
        basis="measured",
        source=f"search {run.id} on {len(search.prompts)} prompts x {len(search.seeds)} seeds",
        settings={**fixed, **settings},
        study=run.id,
        model=model.info.fingerprint,
        confidence=1.0 - search.alpha if chosen is not None and chosen.verdict == "confirmed" else None,
        cost={"calls": pick.calls} | ({} if pick.seconds is None else {"seconds": pick.seconds}),
        prompts=search.prompts[:PROMPTS_KEPT],
        proof=proof | ({} if high is None else {"at_most": high}),
        versions=versions_of(model, recipe.sampling),
        created=bench.now(),
        stale_when=("the model's weights change", f"aldente's samplers change (made by {aldente.__version__})"),
    )
    keep_preset(bench.store, preset)
    return preset
