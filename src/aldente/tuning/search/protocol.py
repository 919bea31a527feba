"""The protocol of a search: it yields the measurements it needs, receives them, and returns what they show.

A search asks and never renders. It is a function of its question and of the measurements alone, so going on after a stop
is running it again with the measurements that exist already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from aldente.engine.errors import UserError
from aldente.tuning.search.ask import Proposer, Told
from aldente.tuning.search.board import Ask, Board, Searching, Trial, barred
from aldente.tuning.search.measured import Evidence, Target
from aldente.tuning.search.question import Search, chance, keeping, solver_target, taste_target
from aldente.tuning.search.race import LEAST, RATIOS, estimate, excess, violation
from aldente.tuning.search.space import Place, Space

FEW = 2
"""Pictures of each sampler and schedule in the screening."""

FINALISTS = 3

TASTES = 4
"""Tastes that keep enough of the best adherence and are followed along the ladders."""

SOLVERS = 3
"""Samplers and schedules that are followed at each of them."""

IN_VAIN = 8
"""Proposals in a row that are ruled out without a picture, after which the space counts as searched."""

MOST_PROFILES = 2000
"""In a space of more profiles (places but for their steps) it is not looked through all of them for what is left."""

APART = 1.3
"""The front is filled in at prices this far apart, as factors, up to ``DEAREST`` times the pick's."""

DEAREST = 2.5

POLISH_HOPE = 2.5


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


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Where a search ended: the board, its last target, the finalists best first, and their held-out pictures."""

    board: Board
    target: Target
    finalists: tuple[Evidence, ...]
    held_out: dict[Place, Evidence]
    best_mismatch: float | None


def search_through(search: Search, price: Callable[[Place], float], kept: Sequence[Place] = ()) -> Searching[Searched]:
    """Carry out a search: screening, ladders, joint search, polish, confirmation.

    ``price`` gives the calls of a picture of a place, 0 where it cannot be drawn; ``kept`` are the proposals of an
    earlier run of the same search. Raises UserError when nothing in the space can be drawn, or for too small a budget.
    """
    course = Course(Board(search, price), kept)
    board, target = course.board, solver_target(search)
    profiles = yield from _screening(course, target)
    board.phase = "ladder"
    yield from _presets(course, target)
    yield from _ladders(course, profiles, target)
    best_mismatch = None
    if search.scorer is not None and search.tastes:
        target, best_mismatch = yield from _tastes(course, profiles, target)
    board.phase = "joint"
    yield from _joint(course, target)
    board.phase = "polish"
    yield from _polish(course, target)
    board.phase = "front"
    if search.front:
        yield from _along(course, target)
    if board.best(target) is None:
        yield from _nearest(course, target)
    finalists = tuple(board.ranking(target)[:FINALISTS])
    if not finalists and (nearest := board.nearest(target)) is not None:
        finalists = (nearest,)
    if not finalists:
        raise UserError(
            f"after {board.calls} model calls no setting was measured on every picture; raise the budget, name fewer prompts,"
            " or look at why pictures fail."
        )
    board.phase = "confirmation"
    if search.confirm:
        yield from _confirmation(course, finalists)
    return Searched(board=board, target=target, finalists=finalists, held_out=course.held_out, best_mismatch=best_mismatch)


def _screening(course: Course, target: Target) -> Searching[list[Place]]:
    """Every sampler and schedule on a few pictures at about one price, at the base's guidance; the most promising first."""
    board, home = course.board, course.search.home
    varied = [i for i, d in enumerate(board.space.dimensions) if d.name in ("sampler", "schedule")]
    every = product(*(range(len(board.space.dimensions[i].values)) for i in varied))
    places = [tuple(dict(zip(varied, values, strict=True)).get(i, home[i]) for i in range(len(home))) for values in every]
    middle = _middle(board, places, target)
    screened = [min(rungs, key=lambda rung: abs(math.log(board.price_of(rung) / middle))) for rungs in _drawable(board, places)]
    if not screened:
        raise UserError("nothing in this space can be drawn by the model; look at the samplers, schedules and sizes of it.")
    few = board.court.pictures if len(screened) == 1 else min(FEW, board.court.pictures)
    trials = [Trial(place, tuple(range(few))) for place in screened]
    for place in screened:
        board.evidence[place] = Evidence(place=place, price=board.price_of(place), source="screening")
    predicted = sum(board.price_of(place) * few for place in screened)
    if not board.affords(predicted):
        least = round(2 * predicted + board.reserve())
        raise UserError(
            f"a budget of {course.search.budget_calls} model calls is too small: screening {len(screened)} samplers and"
            f" schedules and confirming take most of {least}. Raise it, or name fewer."
        )
    yield from board.measure(trials, converged=True)
    alive = [place for place in screened if not barred(board.evidence[place], target)]
    return sorted(alive, key=lambda place: _promise(board, place, target))


def _drawable(board: Board, places: Sequence[Place]) -> list[list[Place]]:
    """The rungs of each place that can be drawn, places without any left out."""
    found = [[rung for rung in board.profile(place) if board.price_of(rung) > 0.0] for place in places]
    return [rungs for rungs in found if rungs]


def _middle(board: Board, places: Sequence[Place], target: Target) -> float:
    """The price in the middle of what samplers of one call a step can cost, within the limit."""
    prices = sorted({board.price_of(rung) for rungs in _drawable(board, places) for rung in rungs})
    limit = target.limits.get("calls")
    if not prices:
        return 1.0
    return limit if limit is not None and target.minimise == "error" else math.sqrt(prices[0] * prices[-1])


def _promise(board: Board, place: Place, target: Target) -> tuple[float, Place]:
    """What a profile is predicted to cost, or how far it is off at the price that is allowed."""
    found = board.evidence[place]
    if target.minimise == "error":
        return found.mean("error"), place
    need = board.need(place, target)
    return (math.inf if need is None else found.price * need / board.steps_of(place)), place


def _presets(course: Course, target: Target) -> Searching[None]:
    """The settings to try first, as far as they keep the base's guidance: what their profile needs by what was screened."""
    board, home = course.board, course.board.taste_of(course.search.home)
    for start in _starts(course.search):
        if board.taste_of(start) == home and not board.out_of_budget:
            place = board.rung(start, target)
            if place is not None:
                yield from board.race([place], target, "preset")


def _nearest(course: Course, target: Target) -> Searching[None]:
    """Where nothing is within the limits: the place that seems to break them least, on every picture."""
    board = course.board
    judged = [e for e in board.evidence.values() if e.rows and not (e.given_up and e.given_up.metric == "failure")]
    if judged:
        least = min(judged, key=lambda e: (violation(e, target, board.court), e.mean(target.minimise), e.place))
        yield from board.measure_whole([least.place], "nearest")


def _ladders(course: Course, profiles: Sequence[Place], target: Target) -> Searching[None]:
    """Each profile in turn: step counts that could still win, until none is left."""
    board = course.board
    for profile in profiles:
        while not board.out_of_budget and (rung := board.rung(profile, target)) is not None:
            yield from board.race([rung], target, "ladder")


def _tastes(course: Course, profiles: Sequence[Place], solver: Target) -> Searching[tuple[Target, float | None]]:
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
            yield from _ladders(course, [place], target)
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
    begin = [tuple(_with_taste(board, start, place)[i] for i in at) for place in _starts(search)]
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
    return min((p for p in every if p not in asked), key=lambda p: (_apart(space, p, near), p), default=None)


def _starts(search: Search) -> list[Place]:
    """The places of the settings to try first: what they leave open is as at home."""
    home = search.space.settings(search.home)
    places = [search.space.place({**home, **start}) for start in search.starts]
    return list(dict.fromkeys(place for place in places if place is not None))


def _joint(course: Course, target: Target) -> Searching[None]:
    """Ask over the whole space; presets first. What a proposal's profile has left to try is measured in its place."""
    board, search = course.board, course.search
    home = board.taste_of(search.home)
    starts, vain = [start for start in _starts(search) if board.taste_of(start) != home], 0
    proposer = Proposer(board.space)
    for e in board.evidence.values():
        proposer.tell(told(board, e, target))
    while board.asks_left > 0 and vain < IN_VAIN and not board.out_of_budget:
        number = len(board.asks)
        preset = number < len(starts)
        if number < len(course.kept):
            proposed = course.kept[number]
        else:
            proposed = starts[number] if preset else proposer.propose(chance(search, "ask", number))
        place = proposed if preset and board.could_win(proposed, target) else _worthwhile(board, proposed, target)
        board.asks.append(Ask(number, proposed, place))
        board.asks_left -= 1
        vain = vain + 1 if place is None else 0
        if place is None:
            proposer.tell(Told(proposed, None, {}))
        else:
            yield from board.race([place], target, "preset" if preset else "asked")
            proposer.tell(told(board, board.evidence[place], target))


def _worthwhile(board: Board, proposed: Place, target: Target) -> Place | None:
    """What is left to try of a proposal's profile, or else of the profile nearest to it; None where nothing is left."""
    if (rung := board.rung(proposed, target)) is not None or board.profiles > MOST_PROFILES:
        return rung
    left = [rung for profile in board.every_profile() if (rung := board.rung(profile, target)) is not None]
    return min(left, key=lambda place: (_apart(board.space, place, proposed), place), default=None)


def _apart(space: Space, place: Place, other: Place) -> float:
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


def _polish(course: Course, target: Target) -> Searching[None]:
    """The neighbours of the best place, and of the next best, until none of them is better."""
    board = course.board
    while not board.out_of_budget:
        best = board.best(target)
        if best is None:
            return
        rungs = [board.rung(place, target, hope=POLISH_HOPE) for place in board.space.neighbours(best.place)]
        wanted = list(dict.fromkeys(rung for rung in rungs if rung is not None))
        if not wanted:
            return
        for place in wanted:
            if board.could_win(place, target) and not board.out_of_budget:
                yield from board.race([place], target, "polish")


def _along(course: Course, target: Target) -> Searching[None]:
    """The best place's profile from cheap to exact, on every picture: what more or fewer calls would give."""
    board = course.board
    best = board.best(target) or board.nearest(target)
    if best is None:
        return
    rungs = [rung for rung in board.profile(best.place) if 0.0 < board.price_of(rung) <= DEAREST * best.price]
    kept: list[Place] = []
    for rung in rungs:
        if rung == best.place or not kept or board.price_of(rung) >= APART * board.price_of(kept[-1]):
            kept.append(rung)
    yield from board.measure_whole(kept, "front")


def _confirmation(course: Course, finalists: Sequence[Evidence]) -> Searching[None]:
    """The finalists on pictures that took no part in the search."""
    board = course.board
    count = len(course.search.held_out)
    trials = [Trial(e.place, tuple(range(count))) for e in finalists]
    answer = yield board.want(trials, held_out=True, converged=True)
    board.spend(answer.calls)
    for e in finalists:
        rows = {i: row for (place, i), row in answer.rows.items() if place == e.place and row is not None}
        course.held_out[e.place] = Evidence(place=e.place, price=e.price, source="held-out", rows=rows)
