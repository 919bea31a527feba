"""The search over taste: the best adherence at a fixed solver, then the solver at the tastes that keep enough of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from aldente.tuning.search.ask import Proposer
from aldente.tuning.search.board import Board
from aldente.tuning.search.course import MOST_PROFILES, Course, apart, ladders, starts, told
from aldente.tuning.search.measured import Evidence, Target
from aldente.tuning.search.question import chance, keeping, taste_target
from aldente.tuning.search.space import Place, Space
from aldente.tuning.search.wants import Searching

TASTES = 4
"""Tastes that keep enough of the best adherence and are followed along the ladders."""

SOLVERS = 3
"""Samplers and schedules that are followed at each of them."""


def tastes(course: Course, profiles: Sequence[Place], solver: Target) -> Searching[tuple[Target, float | None]]:
    """The best adherence over guidance at the solver's best setting, then the ladders at the tastes that keep enough of it."""
    board, search = course.board, course.search
    board.phase = "taste"
    start = board.best(solver) or board.nearest(solver)
    if start is None:
        return solver, None
    plain = Target("mismatch", {})
    yield from board.race([start.place], plain, "ladder")
    yield from _explore(course, start.place, plain)
    ranked = board.ranking(plain)
    if not ranked:
        return solver, None
    best = ranked[0].mean("mismatch")
    target = taste_target(search) if search.share is None and search.calls_at_most is not None else keeping(search, best)
    wanted = [e for e in ranked if e.mean("mismatch") <= target.limits.get("mismatch", math.inf)]
    if target.minimise == "calls":
        wanted = sorted(wanted, key=lambda e: _strength(board, e))
    for e in wanted[:TASTES]:
        for profile in profiles[:SOLVERS]:
            place = _with_taste(board, profile, e.place)
            yield from ladders(course, [place], target)
    return target, best


def _strength(board: Board, e: Evidence) -> float:
    """How strong guidance is: less of it converges sooner."""
    at = board.space.index("cfg")
    value = 0.0 if at is None else board.space.dimensions[at].values[e.place[at]]
    return float(value) if isinstance(value, int | float) else 0.0


def _with_taste(board: Board, solver: Place, taste: Place) -> Place:
    """One place's sampler, schedule and steps with the taste of another."""
    return tuple(t if d.taste else s for s, t, d in zip(solver, taste, board.space.dimensions, strict=True))


def _explore(course: Course, start: Place, target: Target) -> Searching[None]:
    """Ask over the taste alone, everything else as at ``start``; half of the asks."""
    board, search = course.board, course.search
    at = [i for i, d in enumerate(board.space.dimensions) if d.taste]
    space = Space(dimensions=tuple(board.space.dimensions[i] for i in at))
    begin = [tuple(_with_taste(board, start, place)[i] for i in at) for place in starts(search)]
    proposer, asked = Proposer(space), set[Place]()
    proposer.tell(told(board, board.evidence[start], target)._replace(place=tuple(start[i] for i in at)))
    asked.add(tuple(start[i] for i in at))
    for number in range(max(1, search.asks // 2)):
        proposed = begin.pop(0) if begin else proposer.propose(chance(search, "taste", number))
        part = _unasked(space, proposed, asked) if proposed in asked else proposed
        if part is None or board.out_of_budget:
            return
        asked.add(part)
        place = tuple(part[at.index(i)] if i in at else start[i] for i in range(len(start)))
        yield from board.race([place], target, "taste")
        if place in board.evidence:
            proposer.tell(told(board, board.evidence[place], target)._replace(place=part))


def _unasked(space: Space, near: Place, asked: set[Place]) -> Place | None:
    """The place nearest to one that was asked already; None where all were, or the space is too large."""
    if space.size > MOST_PROFILES:
        return None
    every = product(*(range(len(d.values)) for d in space.dimensions))
    return min((p for p in every if p not in asked), key=lambda p: (apart(space, p, near), p), default=None)
