"""Running a search: pictures are drawn and judged, every judgement is a row of the store, and it goes on from its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aldente
from aldente.engine.errors import UserError
from aldente.models.port import Image, Model
from aldente.quality.table import flaws
from aldente.recipe.presets import Plain, Preset
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Tick
from aldente.store.entries import StudyEntry, StudyRow
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.forecast import count_calls
from aldente.studio.library import versions_of
from aldente.studio.presets import keep_preset
from aldente.studio.workbench import Workbench
from aldente.tuning.isolation import jnd_of
from aldente.tuning.search.board import Answer, Want
from aldente.tuning.search.judge import judge, near
from aldente.tuning.search.measured import Measured
from aldente.tuning.search.outcome import result_of
from aldente.tuning.search.protocol import Searched, search_through
from aldente.tuning.search.question import Search, converged_recipe
from aldente.tuning.search.result import SearchResult
from aldente.tuning.search.space import Place
from aldente.tuning.study import Instance

KIND = "search"

ID_DIGITS = 32

PROMPTS_KEPT = 8

Scorer = Callable[[str, Image], float]
"""How well a picture (uint8, h w 3) shows what a prompt says; more is better."""

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


@dataclass(eq=False)
class Gallery:
    """Where a search gets its measurements: the rows of the store, and pictures for what is not there."""

    bench: Workbench
    search: Search
    scorer: Scorer | None
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    _charged: set[str] = field(default_factory=set)
    _signs: dict[Instance, Mapping[str, float]] = field(default_factory=dict)
    _calls: dict[str, int] = field(default_factory=dict)
    _jnd: float | None = None

    def __post_init__(self) -> None:
        self.model: Model = self.bench.model(self.search.base.model)
        self.fingerprint = self.model.info.fingerprint
        spec = self.search.model_dump(mode="json", exclude_none=True)
        self.entry = StudyEntry(id=study_id(self.search), kind=KIND, spec=spec, created=self.bench.now())
        self.bench.store.save_study(self.entry)
        self._rows = {row.key: row.body for row in self.bench.store.study_rows(self.entry.id)}

    @property
    def jnd(self) -> float:
        """The just noticeable difference in 8-bit steps: that of the converged pictures at the base's settings."""
        if self._jnd is None:
            made = self._draw([self._converged_base(instance) for instance in self.search.instances], None)
            images = [one.image for one in made.values()]
            if not images:
                raise UserError("none of the converged pictures could be drawn, so there is nothing to measure against.")
            self._jnd = jnd_of(images)
        return self._jnd

    def key(self, *what: str) -> str:
        """The key of a row about these weights."""
        return hashlib.sha256("/".join([self.fingerprint, *what]).encode()).hexdigest()

    def keep(self, bodies: Mapping[str, dict[str, Any]]) -> None:
        """Keep rows; they are in the store before they are used."""
        new = {key: body for key, body in bodies.items() if key not in self._rows}
        self.bench.store.append_rows(self.entry.id, [StudyRow(key=key, body=body) for key, body in new.items()])
        self._rows.update(new)

    def kept_asks(self) -> list[Place]:
        """The proposals of an earlier run, in their order."""
        found: list[Place] = []
        while (row := self._rows.get(self.key("ask", str(len(found))))) is not None:
            found.append(tuple(row["proposed"]))
        return found

    def price(self, place: Place) -> float:
        """The calls of a picture of a place, counted by the engine; 0 where it cannot be drawn."""
        return float(self._count(self.search.space.recipe(self.search.base, place)))

    def answer(self, want: Want, watch: Callable[[Tick], None] | None) -> Answer:
        """The measurements that a search wants, drawn and judged where no row has them."""
        self.keep({self.key("ask", str(ask.number)): {"ask": ask.number, "proposed": list(ask.proposed)} for ask in want.asks})
        instances = self.search.held_out if want.held_out else self.search.instances
        subjects = [(trial.place, i, instances[i]) for trial in want.trials for i in trial.instances]
        recipes = {(place, i): self._recipe(place, instance) for place, i, instance in subjects}
        lacking = [
            (place, i, instance) for place, i, instance in subjects if self._row(recipes[place, i], want.converged) is None
        ]
        self._measure([(recipes[place, i], instance) for place, i, instance in lacking], want.converged, watch)
        rows = {(place, i): self._row(recipes[place, i], want.converged) for place, i, _ in subjects}
        return Answer(rows, self._charge([(recipes[place, i], instance) for place, i, instance in subjects], want.converged))

    def _recipe(self, place: Place, instance: Instance) -> Recipe:
        return _of(self.search.space.recipe(self.search.base, place), instance)

    def _converged_base(self, instance: Instance) -> Recipe:
        home = self.search.space.recipe(self.search.base, self.search.home)
        return _of(converged_recipe(self.search, home), instance)

    def _row(self, recipe: Recipe, converged: bool) -> Measured | None:
        """What is known of a picture; None where something of it is missing."""
        body = self._rows.get(self.key("picture", recipe.digest(), self.search.scorer or ""))
        if body is None:
            return None
        row = Measured.model_validate(body["measured"])
        if not converged:
            return row
        distance = self._rows.get(self.key("distance", recipe.digest()))
        return None if distance is None else row.model_copy(update={name: distance[name] for name in ("error", "similarity")})

    def _measure(
        self,
        wanted: Sequence[tuple[Recipe, Instance]],
        converged: bool,
        watch: Callable[[Tick], None] | None,
    ) -> None:
        """Draw pictures with all that they are judged by, and keep what is found."""
        if not wanted:
            return
        recipes = [recipe for recipe, _ in wanted]
        ends = {recipe.digest(): converged_recipe(self.search, recipe) for recipe in recipes}
        bases = {instance: self._converged_base(instance) for _, instance in wanted}
        made = self._draw([*bases.values(), *(ends.values() if converged else ()), *recipes], watch)
        bodies: dict[str, dict[str, Any]] = {}
        for recipe, instance in wanted:
            picture, base = made.get(recipe.digest()), made.get(bases[instance].digest())
            end = made.get(ends[recipe.digest()].digest())
            if picture is not None and base is not None:
                bodies |= self._judged(recipe, instance, picture, base, end if converged else None)
        self.keep(bodies)

    def _judged(
        self, recipe: Recipe, instance: Instance, picture: Drawn, base: Drawn, end: Drawn | None
    ) -> dict[str, dict[str, Any]]:
        """The rows of one picture."""
        image, cost = picture.image, picture.record.cost
        if instance not in self._signs:
            self._signs[instance] = flaws(base.image)
        adherence = None if self.scorer is None else float(self.scorer(instance[0], image))
        row = judge(image, self._signs[instance], calls=cost.model_calls, seconds=cost.seconds, adherence=adherence)
        bodies = {self.key("picture", recipe.digest(), self.search.scorer or ""): _body(recipe, row)}
        if end is not None:
            found = near(row, image, end.image, jnd=self.jnd)
            facts = {"error": found.error, "similarity": found.similarity, "recipe": recipe.digest()}
            bodies[self.key("distance", recipe.digest())] = facts
        return bodies

    def _draw(self, recipes: Sequence[Recipe], watch: Callable[[Tick], None] | None) -> dict[str, Drawn]:
        every = draw(self.bench, recipes, Order(study=self.entry.id), watch=watch)
        return {one.recipe.digest(): one for one in every if not one.record.failed}

    def _charge(self, wanted: Sequence[tuple[Recipe, Instance]], converged: bool) -> int:
        """The calls of pictures that this search has not been charged for: the same whatever the store had before."""
        asked = [recipe for recipe, _ in wanted]
        asked += [self._converged_base(instance) for _, instance in wanted]
        asked += [converged_recipe(self.search, recipe) for recipe, _ in wanted] if converged else []
        total = 0
        for recipe in asked:
            if recipe.digest() not in self._charged:
                self._charged.add(recipe.digest())
                total += self._count(recipe)
        return total

    def _count(self, recipe: Recipe) -> int:
        """The calls of a recipe, counted once for all subjects."""
        plain = recipe.model_copy(update={"prompt": "", "seed": 0})
        if plain.digest() not in self._calls:
            self._calls[plain.digest()] = count_calls(plain, self.model)
        return self._calls[plain.digest()]


def study_id(search: Search) -> str:
    """The id under which a search is kept."""
    return search.digest()[:ID_DIGITS]


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


def _of(recipe: Recipe, instance: Instance) -> Recipe:
    prompt, seed = instance
    return recipe.model_copy(update={"prompt": prompt, "seed": seed})


def _body(recipe: Recipe, row: Measured) -> dict[str, Any]:
    return {"recipe": recipe.digest(), "measured": row.model_dump(mode="json", exclude_none=True)}
