"""The question of a search: what is varied over which pictures, what is to be least, and within which limits."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from pydantic import Field

from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter
from aldente.recipe.value import Value
from aldente.tuning.decision import MULTIPLES
from aldente.tuning.result import Goal
from aldente.tuning.search.measured import Metric, Target
from aldente.tuning.search.space import Place, Space, fitting
from aldente.tuning.study import REFERENCE, Instance, Pair

SHARE = 0.98
"""Of the best adherence, so much must be kept where it is measured and nothing else is said."""

LEAST_CONVERGED = 80
"""Steps of converged pictures, where twice the most steps of the space are fewer."""


class Search(Value):
    """A search asks for the best setting in a space, for these prompts and seeds.

    ``base`` is everything that stays as it is, and the guidance at which the solver axis is judged. ``minimise`` is
    'calls' (the cheapest setting that is good enough) or 'error' (the most exact one within ``calls_at_most``).
    ``share`` is the part of the best quality that must be kept. ``scorer`` names what measures adherence; ``starts`` are
    settings to try first; with ``front`` the pick's sampler is measured from cheap to exact at the end. ``stream`` tells
    apart searches that ask the same with other chance.
    """

    base: Recipe
    prompts: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(1, 2), min_length=1)
    held_out_prompts: tuple[str, ...] = ()
    space: Space
    goal: Goal = "production"
    minimise: Literal["calls", "error"] = "calls"
    calls_at_most: float | None = Field(None, gt=0)
    share: float | None = Field(None, gt=0, le=1)
    asks: int = Field(default=40, ge=0, le=10_000)
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    budget_calls: int | None = Field(None, ge=1)
    scorer: str | None = None
    starts: tuple[dict[str, bool | int | float | str], ...] = ()
    front: bool = True
    confirm: bool = True
    stream: int = 0

    @property
    def delta(self) -> float:
        """The tolerated mean error in JND."""
        return MULTIPLES[self.goal]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Every prompt with every seed, in the one order in which all settings meet them: each prompt once, then again."""
        rng = np.random.default_rng(chance(self, "order"))
        prompts, seeds = list(dict.fromkeys(self.prompts)), dict.fromkeys(self.seeds)
        return tuple((prompts[i], seed) for seed in seeds for i in rng.permutation(len(prompts)))

    @property
    def held_out(self) -> tuple[Instance, ...]:
        """Pictures that take no part in the search: other prompts, or the same with a new seed."""
        fresh = (max(self.seeds) + 1) % 2**64
        if self.held_out_prompts:
            return tuple((prompt, seed) for prompt in dict.fromkeys(self.held_out_prompts) for seed in (self.seeds[0], fresh))
        return tuple((prompt, fresh) for prompt in dict.fromkeys(self.prompts))

    @property
    def converged_steps(self) -> int:
        """The steps of converged pictures: twice the most steps that are tried."""
        at = self.space.index("steps")
        steps = (
            [self.base.sampling.steps] if at is None else [int(n) for n in self.space.dimensions[at].values if n is not None]
        )
        return max(LEAST_CONVERGED, 2 * max(steps))

    @property
    def home(self) -> Place:
        """The place nearest to the base; the first value of what the base does not have."""
        place = []
        for dimension in self.space.dimensions:
            alone = Space(dimensions=(dimension,)).place({dimension.name: get_parameter(self.base, dimension.name)})
            place.append(0 if alone is None else alone[0])
        return tuple(place)

    @property
    def tastes(self) -> tuple[str, ...]:
        """The parameters of the space that change which picture is wanted."""
        return tuple(dimension.name for dimension in self.space.dimensions if dimension.taste and len(dimension.values) > 1)


def chance(search: Search, *what: object) -> int:
    """A number drawn for a purpose: the same for the same search, whatever was drawn before."""
    name = "/".join([search.digest(), *map(str, what)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def solver_target(search: Search) -> Target:
    """What the solver axis is judged by, at fixed guidance."""
    if search.minimise == "error":
        limits: dict[Metric, float] = {} if search.calls_at_most is None else {"calls": search.calls_at_most}
        return Target("error", limits)
    near: dict[Metric, float] = {"error": search.delta}
    if search.share is not None and search.scorer is None:
        near = {"dissimilarity": 1.0 - search.share}
    return Target("calls", near if search.calls_at_most is None else {**near, "calls": search.calls_at_most})


def taste_target(search: Search) -> Target:
    """The best adherence among settings that are near enough to their converged pictures and free of flaws."""
    limits: dict[Metric, float] = {"error": search.delta}
    return Target("mismatch", limits if search.calls_at_most is None else {**limits, "calls": search.calls_at_most})


def keeping(search: Search, best: float) -> Target:
    """The cheapest setting that keeps the wanted share of the ``best`` mismatch (an adherence with its sign turned)."""
    share = SHARE if search.share is None else search.share
    limits: dict[Metric, float] = {**taste_target(search).limits, "mismatch": best + (1.0 - share) * abs(best)}
    return Target("calls", limits)


def converged_recipe(search: Search, recipe: Recipe) -> Recipe:
    """The recipe of the converged picture at the same guidance: one solver for all that solve the same equation.

    Samplers with noise of their own, and with churn, converge to a picture of their own.
    """
    sampling = recipe.sampling
    pair = Pair(sampler=sampling.sampler, schedule=sampling.schedule)
    own = pair.own_reference or bool(sampling.s_churn)
    changed: dict[str, object] = {"steps": search.converged_steps, "sigmas": None, "rtol": None, "discard_next_to_last": None}
    # The levels of a run are the solver's own affair; where they begin and end is not.
    changed |= {"reuse_threshold": None, "reuse_start": None, "reuse_end": None}
    changed |= {"rho": None, "schedule": REFERENCE.schedule, "sampler": pair.sampler if own else REFERENCE.sampler}
    return fitting(recipe.model_copy(update={"sampling": sampling.model_copy(update=changed)}))
