"""How a study asks: the recipes it needs, phase by phase, with the books that are kept over them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from aldente.recipe.recipe import Recipe
from aldente.tuning.study import Instance, Need, Outcome, Outcomes, Pair, Study, calls_of, recipe_for

T = TypeVar("T")
Tuning = Generator[Need, Outcomes, T]
"""A computation that asks for pictures on its way to a ``T``."""


@dataclass(eq=False)
class Ledger:
    """What one run of a study has asked for."""

    study: Study
    seconds_per_call: float | None
    phases_left: dict[str, int]
    seen: set[str] = field(default_factory=set)
    calls: int = 0
    missing: int = 0


def ask(ledger: Ledger, phase: str, wanted: Iterable[Recipe]) -> Tuning[Outcomes]:
    """Ask for recipes, each once, and keep the books."""
    recipes = {recipe.digest(): recipe for recipe in wanted}
    new = [recipe for digest, recipe in recipes.items() if digest not in ledger.seen]
    calls = price(new)
    ledger.phases_left[phase] = max(0, ledger.phases_left[phase] - calls)
    need = Need(phase=phase, recipes=tuple(recipes.values()), calls=calls, calls_after=sum(ledger.phases_left.values()))
    outcomes = yield need
    ledger.missing += sum(digest not in outcomes for digest in recipes if digest not in ledger.seen)
    ledger.seen.update(recipes)
    ledger.calls += calls
    return outcomes


def price(recipes: Iterable[Recipe]) -> int:
    """The model evaluations of the recipes, predicted."""
    sampling = [recipe.sampling for recipe in recipes]
    return sum(calls_of(Pair(sampler=s.sampler, schedule=s.schedule), s.steps, s.guidance.scale) for s in sampling)


def by_instance(
    study: Study, outcomes: Outcomes, instances: Sequence[Instance], pair: Pair, steps: int, cfg: float
) -> dict[Instance, Outcome]:
    """The pictures of a configuration that were made."""
    digests = {instance: recipe_for(study, instance, pair, steps, cfg).digest() for instance in instances}
    return {instance: outcomes[digest] for instance, digest in digests.items() if digest in outcomes}
