"""The board of a search: what was measured, what it cost, and which places can still be the one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from aldente.tuning.convergence import prompts_of
from aldente.tuning.search.measured import Evidence, Metric, Target, Verdict
from aldente.tuning.search.question import Search
from aldente.tuning.search.race import RATIOS, Court, blocks, limited, outrun, violation
from aldente.tuning.search.space import Place, Space
from aldente.tuning.search.wants import Ask, Searching, Trial, Want

LEAST_ASKED = 0.25
"""Of its steps a run with step caching asks about so many at least, before it is known."""


@dataclass(eq=False)
class Board:
    """Everything that one run of a search knows."""

    search: Search
    price: Callable[[Place], float]
    evidence: dict[Place, Evidence] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    phase: str = "screening"
    asks_left: int = 0
    out_of_budget: bool = False
    _kept: int = 0
    _prices: dict[Place, float] = field(default_factory=dict)
    _bests: dict[str, Evidence | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        instances = self.search.instances
        self.court = Court(prompts_of(instances), self.search.alpha)
        self.blocks = blocks(len(instances))
        self.asks_left = self.search.asks

    @property
    def space(self) -> Space:
        """The space of the search."""
        return self.search.space

    @property
    def calls(self) -> int:
        """All calls so far."""
        return sum(self.spent.values())

    def price_of(self, place: Place) -> float:
        """The calls of a picture; 0 for a place that cannot be drawn."""
        if place not in self._prices:
            self._prices[place] = self.price(place)
        return self._prices[place]

    def _least_price(self, place: Place) -> float:
        """What a picture of a place takes at least: with step caching it is known only afterwards."""
        unmeasured = self._foretells(place) and not (place in self.evidence and self.evidence[place].rows)
        return self.price_of(place) * (LEAST_ASKED if unmeasured else 1.0)

    def _foretells(self, place: Place) -> bool:
        return bool(self.space.settings(place).get("reuse_threshold", self.search.base.sampling.reuse_threshold))

    def _reprice(self, e: Evidence) -> None:
        """Let the price of a place be what its pictures took."""
        if e.rows:
            e.price = self._prices[e.place] = math.fsum(row.calls for row in e.rows.values()) / len(e.rows)

    def mean_price(self) -> float:
        """The mean of all prices that were asked for: every sampler and schedule at every step count, at least."""
        known = [price for price in self._prices.values() if price > 0.0]
        return math.fsum(known) / len(known) if known else 0.0

    def steps_of(self, place: Place) -> float:
        """The steps of a place."""
        at = self.space.index("steps")
        value = self.search.base.sampling.steps if at is None else self.space.dimensions[at].values[place[at]]
        return float(value if isinstance(value, int | float) else 0)

    def profile(self, place: Place) -> tuple[Place, ...]:
        """The place at every step count, fewest first."""
        at = self.space.index("steps")
        if at is None:
            return (place,)
        return tuple((*place[:at], i, *place[at + 1 :]) for i in range(len(self.space.dimensions[at].values)))

    @property
    def profiles(self) -> int:
        """How many places there are but for their steps."""
        at = self.space.index("steps")
        return self.space.size // (1 if at is None else len(self.space.dimensions[at].values))

    def every_profile(self) -> Iterator[Place]:
        """A place of every profile."""
        at = self.space.index("steps")
        return product(*(range(1 if i == at else len(d.values)) for i, d in enumerate(self.space.dimensions)))

    def found(self, place: Place) -> list[Evidence]:
        """What is known of a place at any step count."""
        return [self.evidence[rung] for rung in self.profile(place) if rung in self.evidence]

    def ranking(self, target: Target) -> list[Evidence]:
        """The places that are measured whole and within all limits, best first."""
        whole = [e for e in self.evidence.values() if e.whole(target, self.court.pictures) and not barred(e, target)]
        fit = [e for e in whole if violation(e, target, self.court) == 0.0]
        second: Metric = next((metric for metric in target.limits if metric != "calls"), "calls")
        return sorted(fit, key=lambda e: (e.mean(target.minimise), e.mean(second), e.place))

    def best(self, target: Target) -> Evidence | None:
        """The best place so far."""
        key = repr(target)
        if key not in self._bests:
            self._bests[key] = next(iter(self.ranking(target)), None)
        return self._bests[key]

    def nearest(self, target: Target) -> Evidence | None:
        """Where nothing is within the limits: the whole place that breaks them least."""
        whole = [e for e in self.evidence.values() if e.whole(target, self.court.pictures)]
        return min(whole, key=lambda e: (violation(e, target, self.court), e.mean(target.minimise)), default=None)

    def could_win(self, place: Place, target: Target) -> bool:
        """Whether a place may still be the one, by all that is known without measuring it.

        Its price is known beforehand. Where more steps of the same are not near enough, fewer are not either.
        """
        price, best = self._least_price(place), self.best(target)
        known = self.evidence.get(place)
        if price <= 0.0 or price > target.limits.get("calls", math.inf):
            return False
        if known is not None and (known.whole(target, self.court.pictures) or barred(known, target)):
            return False
        if target.minimise == "calls" and best is not None and price >= best.price:
            return False
        if "mismatch" in target.limits and self._mismatched(place, target.limits["mismatch"]):
            return False
        return not any(self._settles(e, target) for e in self.found(place) if self.steps_of(e.place) > self.steps_of(place))

    def _settles(self, more: Evidence, target: Target) -> bool:
        """Whether what is known of more steps rules out fewer of the same."""
        judged = barred(more, target)
        metric = None if more.given_up is None else more.given_up.metric
        if judged and metric in RATIOS:
            return True
        if not more.whole(target, self.court.pictures):
            return False
        if target.minimise == "error":
            return True
        return any(m in RATIOS and more.mean(m) > limit for m, limit in target.limits.items())

    def _mismatched(self, place: Place, limit: float) -> bool:
        """Whether the same taste was measured whole with any solver, and is not what is wanted."""
        taste = self.taste_of(place)
        whole = [e for e in self.evidence.values() if len(e.known("mismatch")) == self.court.pictures]
        return any(self.taste_of(e.place) == taste and e.mean("mismatch") > limit for e in whole)

    def taste_of(self, place: Place) -> Place:
        """The part of a place that changes which picture is wanted."""
        return tuple(i for i, dimension in zip(place, self.space.dimensions, strict=True) if dimension.taste)

    def race(self, places: Sequence[Place], target: Target, source: str) -> Searching[None]:
        """Measure places block by block, dropping those that are surely not the one; all of them side by side."""
        alive = [self._opened(place, source) for place in dict.fromkeys(places)]
        converged = any(metric in RATIOS for metric in target.metrics)
        for block in self.blocks:
            trials = tuple(t for e in alive if (t := self._missing(e, block, converged)).instances)
            if trials and not self.affords(sum(self.price_of(t.place) * len(t.instances) for t in trials)):
                return
            if trials:
                yield from self.measure(trials, converged=converged)
            for e in alive:
                e.given_up = e.given_up or limited(e, target, self.court)
            self._bests.clear()
            for e in alive if target.minimise != "calls" else ():
                e.given_up = e.given_up or outrun(e, self.best(target), target, self.court)
            self._bests.clear()
            alive = [e for e in alive if not barred(e, target)]

    def measure_whole(self, places: Sequence[Place], source: str) -> Searching[None]:
        """Measure places on every picture, whatever is found."""
        every = range(self.court.pictures)
        trials = [self._missing(self._opened(place, source), every, True) for place in dict.fromkeys(places)]
        trials = [trial for trial in trials if trial.instances]
        if trials and self.affords(sum(self.price_of(t.place) * len(t.instances) for t in trials)):
            yield from self.measure(trials, converged=True)

    def _opened(self, place: Place, source: str) -> Evidence:
        if place not in self.evidence:
            self.evidence[place] = Evidence(place=place, price=self.price_of(place), source=source)
        return self.evidence[place]

    def _missing(self, e: Evidence, block: Sequence[int], converged: bool) -> Trial:
        lacking = [i for i in block if i not in e.rows or (converged and e.rows[i].error is None)]
        return Trial(e.place, tuple(lacking))

    def measure(self, trials: Sequence[Trial], *, converged: bool) -> Searching[None]:
        """Ask for pictures of the search and enter what comes back."""
        answer = yield self.want(trials, held_out=False, converged=converged)
        self.spend(answer.calls)
        for (place, i), row in answer.rows.items():
            if row is None:
                self.evidence[place].given_up = Verdict("a picture of it could not be made", "failure")
            else:
                self.evidence[place].rows[i] = row
        for place in {place for place, _ in answer.rows if self._foretells(place)}:
            self._reprice(self.evidence[place])
        self._bests.clear()

    def want(self, trials: Sequence[Trial], *, held_out: bool, converged: bool) -> Want:
        """The request for these trials, with the asks that are not kept yet."""
        new, self._kept = tuple(self.asks[self._kept :]), len(self.asks)
        calls = round(sum(self.price_of(t.place) * len(t.instances) for t in trials))
        return Want(self.phase, tuple(trials), held_out, converged, calls, self._calls_after(calls), new)

    def spend(self, calls: int) -> None:
        """Enter calls in the books of the phase."""
        self.spent[self.phase] = self.spent.get(self.phase, 0) + calls

    def affords(self, calls: float) -> bool:
        """Whether so many calls leave enough for the confirmation; if not, the search goes to its end."""
        budget = self.search.budget_calls
        fits = budget is None or self.calls + calls + self.reserve() <= budget
        self.out_of_budget = self.out_of_budget or not fits
        return fits

    def reserve(self) -> int:
        """About what the confirmation will take: three settings and their converged pictures."""
        if not self.search.confirm:
            return 0
        each = max((e.price for e in self.evidence.values() if len(e.rows) == self.court.pictures), default=0.0)
        return round(len(self.search.held_out) * (3 * each + 2 * self.search.converged_steps))

    def _calls_after(self, calls: int) -> int:
        """A guess at what follows: the asks that are left, half of each raced to its end, and the confirmation."""
        prices = [e.price for e in self.evidence.values()] or [float(calls)]
        typical = sorted(prices)[len(prices) // 2] * self.court.pictures / 2
        after = round(typical * self.asks_left) + self.reserve()
        return after if self.search.budget_calls is None else max(0, min(after, self.search.budget_calls - self.calls - calls))


def barred(found: Evidence, target: Target) -> bool:
    """Whether a place was given up for a reason that counts for this target."""
    if found.given_up is None:
        return False
    metric = found.given_up.metric
    return metric in ("flaws", "failure", target.minimise) or metric in target.limits
