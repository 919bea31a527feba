"""The first look: every sampler and schedule on a few pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from aldente.engine.errors import UserError
from aldente.tuning.search.board import Board, barred
from aldente.tuning.search.course import Course
from aldente.tuning.search.measured import Evidence, Target
from aldente.tuning.search.prediction import needed_steps
from aldente.tuning.search.space import Place
from aldente.tuning.search.wants import Searching, Trial

FEW = 2
"""Pictures of each sampler and schedule in the screening."""


def screening(course: Course, target: Target) -> Searching[list[Place]]:
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
    need = needed_steps(board, place, target)
    return (math.inf if need is None else found.price * need / board.steps_of(place)), place
