"""A search on its way, and the moves that several of its phases make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from aldente.tuning.search.ask import Told
from aldente.tuning.search.board import Board
from aldente.tuning.search.measured import Evidence, Target
from aldente.tuning.search.prediction import worth_trying
from aldente.tuning.search.question import Search
from aldente.tuning.search.race import LEAST, RATIOS, estimate, excess
from aldente.tuning.search.space import Place, Space
from aldente.tuning.search.wants import Searching

MOST_PROFILES = 2000
"""In a space of more profiles (places but for their steps) it is not looked through all of them for what is left."""


@dataclass(eq=False)
class Course:
    """A search on its way: its board, the asks that an earlier run kept, and the held-out pictures of the finalists."""

    board: Board
    kept: Sequence[Place]
    held_out: dict[Place, Evidence] = field(default_factory=dict)

    @property
    def search(self) -> Search:
        """The question."""
        return self.board.search


def ladders(course: Course, profiles: Sequence[Place], target: Target) -> Searching[None]:
    """Each profile in turn: step counts that could still win, until none is left."""
    board = course.board
    for profile in profiles:
        while not board.out_of_budget and (rung := worth_trying(board, profile, target)) is not None:
            yield from board.race([rung], target, "ladder")


def starts(search: Search) -> list[Place]:
    """The places of the settings to try first: what they leave open is as at home."""
    home = search.space.settings(search.home)
    places = [search.space.place({**home, **start}) for start in search.starts]
    return list(dict.fromkeys(place for place in places if place is not None))


def apart(space: Space, place: Place, other: Place) -> float:
    """How far apart two places are: the share of its range in an ordered dimension, 1 where words differ."""
    total = 0.0
    for a, b, dimension in zip(place, other, space.dimensions, strict=True):
        total += abs(a - b) / len(dimension.values) if dimension.ordered else float(a != b)
    return total


def told(board: Board, e: Evidence, target: Target) -> Told:
    """A place as it is told: its value, and the limits it breaks, guessed to all pictures where it was stopped before."""
    if not e.rows or (target.minimise != "calls" and not e.known(target.minimise)):
        return Told(e.place, None, {})
    best = board.best(target)
    value = estimate(e, best, target.minimise)
    scaled = math.log(max(value, LEAST)) if target.minimise in RATIOS or target.minimise == "calls" else value
    constraints: dict[str, float] = {
        m: excess(m, estimate(e, best, m), x) for m, x in target.limits.items() if m == "calls" or e.known(m)
    }
    flawed = e.given_up is not None and e.given_up.metric == "flaws"
    return Told(e.place, scaled, {**constraints, "flaws": e.flawed_share if flawed else 0.0})
