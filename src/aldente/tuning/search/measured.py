"""What is measured of a picture, and what is known of a place after some pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import Field

from aldente.recipe.value import Value
from aldente.tuning.search.space import Place

Metric = Literal["calls", "error", "dissimilarity", "mismatch"]
"""What a search looks at, each better when lower.

``calls`` are model evaluations of a picture, ``error`` is the distance to the converged picture in JND, ``dissimilarity`` one
less its structural similarity, ``mismatch`` the adherence to the prompt with its sign turned.
"""


class Measured(Value):
    """One picture: its cost, its distances to the converged one, its adherence, its flaws and its layout.

    ``worse`` is how much each flaw sign is worse than in the baseline picture, ``layout`` coarse colours. ``error`` and
    ``similarity`` are None where they were not asked for, ``adherence`` where nothing scores it.
    """

    calls: int
    seconds: float = 0.0
    error: float | None = None
    similarity: float | None = None
    adherence: float | None = None
    worse: dict[str, float] = Field(default_factory=dict)
    layout: tuple[int, ...] = ()

    def value(self, metric: Metric) -> float | None:
        """The picture by one metric."""
        if metric == "error":
            return self.error
        if metric == "dissimilarity":
            return None if self.similarity is None else 1.0 - self.similarity
        if metric == "mismatch":
            return None if self.adherence is None else -self.adherence
        return float(self.calls)

    @property
    def flawed(self) -> bool:
        """Whether two signs or more are noticeably worse."""
        return sum(amount > 1.0 for amount in self.worse.values()) >= 2


class Target(NamedTuple):
    """What to make least, under which upper limits of the means."""

    minimise: Metric
    limits: Mapping[Metric, float]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that must be measured in pictures."""
        return tuple(dict.fromkeys(m for m in (self.minimise, *self.limits) if m != "calls"))


class Verdict(NamedTuple):
    """Why a place was given up, and by which metric it is known."""

    words: str
    metric: Metric | Literal["flaws", "failure"]


@dataclass(eq=False)
class Evidence:
    """What is known of a place: its price in calls, its pictures by instance, and why it was given up, if it was."""

    place: Place
    price: float
    source: str
    rows: dict[int, Measured] = field(default_factory=dict)
    given_up: Verdict | None = None

    def values(self, metric: Metric, instances: Sequence[int] | None = None) -> list[float]:
        """The metric of each instance that has it, in the order of instances."""
        chosen = sorted(self.rows) if instances is None else instances
        found = [self.rows[i].value(metric) for i in chosen if i in self.rows]
        return [value for value in found if value is not None]

    def known(self, metric: Metric) -> list[int]:
        """The instances whose metric is known."""
        return [i for i in sorted(self.rows) if self.rows[i].value(metric) is not None]

    def mean(self, metric: Metric, instances: Sequence[int] | None = None) -> float:
        """The mean of a metric; the price where it is calls, infinity where nothing is known."""
        if metric == "calls":
            return self.price
        values = self.values(metric, instances)
        return math.fsum(values) / len(values) if values else math.inf

    @property
    def flawed_share(self) -> float:
        """The share of its pictures that are flawed."""
        return sum(row.flawed for row in self.rows.values()) / len(self.rows) if self.rows else 0.0

    def whole(self, target: Target, count: int) -> bool:
        """Whether every metric of a target is known for all ``count`` instances."""
        return len(self.rows) == count and all(len(self.known(metric)) == count for metric in target.metrics)


def diversity(rows: Mapping[int, Measured], prompts: Sequence[object]) -> float | None:
    """How different the seeds of a prompt are: the mean RMS distance of their layouts, 0 to 1; None without two seeds.

    ``prompts`` says which prompt each instance has.
    """
    groups: dict[object, list[tuple[int, ...]]] = {}
    for i, row in rows.items():
        if row.layout:
            groups.setdefault(prompts[i], []).append(row.layout)
    apart = [_distance(a, b) for group in groups.values() for n, a in enumerate(group) for b in group[n + 1 :]]
    return math.fsum(apart) / len(apart) if apart else None


def _distance(a: Sequence[int], b: Sequence[int]) -> float:
    return math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)) / 255.0
