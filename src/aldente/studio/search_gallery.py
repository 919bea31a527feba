"""Where a search gets its measurements: the rows of the store, and pictures for what is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aldente.engine.errors import UserError
from aldente.models.port import Image, Model
from aldente.quality.table import flaws
from aldente.recipe.recipe import Recipe
from aldente.render.batching import Tick
from aldente.store.entries import StudyEntry, StudyRow
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.forecast import count_calls
from aldente.studio.workbench import Workbench
from aldente.tuning.isolation import jnd_of
from aldente.tuning.search.judge import judge, near
from aldente.tuning.search.measured import Measured
from aldente.tuning.search.question import Search, converged_recipe
from aldente.tuning.search.space import Place
from aldente.tuning.search.wants import Answer, Want
from aldente.tuning.study import Instance

KIND = "search"

ID_DIGITS = 32

Scorer = Callable[[str, Image], float]
"""How well a picture (uint8, h w 3) shows what a prompt says; more is better."""


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


def _of(recipe: Recipe, instance: Instance) -> Recipe:
    prompt, seed = instance
    return recipe.model_copy(update={"prompt": prompt, "seed": seed})


def _body(recipe: Recipe, row: Measured) -> dict[str, Any]:
    return {"recipe": recipe.digest(), "measured": row.model_dump(mode="json", exclude_none=True)}
