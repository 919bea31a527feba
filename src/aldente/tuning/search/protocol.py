"""The protocol of a search: it yields the measurements it needs, receives them, and returns what they show.

A search asks and never renders. It is a function of its question and of the measurements alone, so going on after a stop
is running it again with the measurements that exist already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aldente.engine.errors import UserError
from aldente.tuning.search.ask import Proposer, Told
from aldente.tuning.search.board import Board
from aldente.tuning.search.course import MOST_PROFILES, Course, apart, ladders, starts, told
from aldente.tuning.search.measured import Evidence, Target
from aldente.tuning.search.prediction import worth_trying
from aldente.tuning.search.question import Search, chance, solver_target
from aldente.tuning.search.race import violation
from aldente.tuning.search.screening import screening
from aldente.tuning.search.space import Place
from aldente.tuning.search.tastes import tastes
from aldente.tuning.search.wants import Ask, Searching, Trial

FINALISTS = 3

IN_VAIN = 8
"""Proposals in a row that are ruled out without a picture, after which the space counts as searched."""

APART = 1.3
"""The front is filled in at prices this far apart, as factors, up to ``DEAREST`` times the pick's."""

DEAREST = 2.5

POLISH_HOPE = 2.5


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
    profiles = yield from screening(course, target)
    board.phase = "ladder"
    yield from _presets(course, target)
    yield from ladders(course, profiles, target)
    best_mismatch = None
    if search.scorer is not None and search.tastes:
        target, best_mismatch = yield from tastes(course, profiles, target)
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


def _presets(course: Course, target: Target) -> Searching[None]:
    """The settings to try first, as far as they keep the base's guidance: what their profile needs by what was screened."""
    board, home = course.board, course.board.taste_of(course.search.home)
    for start in starts(course.search):
        if board.taste_of(start) == home and not board.out_of_budget:
            place = worth_trying(board, start, target)
            if place is not None:
                yield from board.race([place], target, "preset")


def _nearest(course: Course, target: Target) -> Searching[None]:
    """Where nothing is within the limits: the place that seems to break them least, on every picture."""
    board = course.board
    judged = [e for e in board.evidence.values() if e.rows and not (e.given_up and e.given_up.metric == "failure")]
    if judged:
        least = min(judged, key=lambda e: (violation(e, target, board.court), e.mean(target.minimise), e.place))
        yield from board.measure_whole([least.place], "nearest")


def _joint(course: Course, target: Target) -> Searching[None]:
    """Ask over the whole space; presets first. What a proposal's profile has left to try is measured in its place."""
    board, search = course.board, course.search
    home = board.taste_of(search.home)
    begun, vain = [start for start in starts(search) if board.taste_of(start) != home], 0
    proposer = Proposer(board.space)
    for e in board.evidence.values():
        proposer.tell(told(board, e, target))
    while board.asks_left > 0 and vain < IN_VAIN and not board.out_of_budget:
        number = len(board.asks)
        preset = number < len(begun)
        if number < len(course.kept):
            proposed = course.kept[number]
        else:
            proposed = begun[number] if preset else proposer.propose(chance(search, "ask", number))
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
    if (rung := worth_trying(board, proposed, target)) is not None or board.profiles > MOST_PROFILES:
        return rung
    left = [rung for profile in board.every_profile() if (rung := worth_trying(board, profile, target)) is not None]
    return min(left, key=lambda place: (apart(board.space, place, proposed), place), default=None)


def _polish(course: Course, target: Target) -> Searching[None]:
    """The neighbours of the best place, and of the next best, until none of them is better."""
    board = course.board
    while not board.out_of_budget:
        best = board.best(target)
        if best is None:
            return
        rungs = [worth_trying(board, place, target, hope=POLISH_HOPE) for place in board.space.neighbours(best.place)]
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
