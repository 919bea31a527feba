"""How many steps a setting will need, by what is known of it, and which of its step counts is worth a picture."""

from __future__ import annotations

import math

from aldente.engine.samplers.table import find_sampler
from aldente.tuning.search.board import Board
from aldente.tuning.search.measured import Evidence, Target
from aldente.tuning.search.race import RATIOS, estimate
from aldente.tuning.search.space import Place

HOPE = 1.6
"""A sampler is tried at the most steps that could still win, if it is predicted to need at most so many times as many.

On n pictures a prediction is less sure: there it is 1 + 1/n times as much. Two pictures can show a setting at twice its error.
"""

STEEPEST, FLATTEST = -4.0, -0.4


def needed_steps(board: Board, place: Place, target: Target) -> float | None:
    """The steps at which a place's error is predicted to be within its limit; None where nothing is known of it.

    By the power law through the two points nearest to the limit; with one, by the order of the sampler.
    """
    metric, limit = next(((m, x) for m, x in target.limits.items() if m in RATIOS), (None, 0.0))
    if metric is None:
        return None
    points = sorted(
        (board.steps_of(e.place), estimate(e, board.best(target) or _widest(board), metric))
        for e in _alike(board, place)
        if e.known(metric)
    )
    points = [(steps, value) for steps, value in points if value > 0]
    if not points:
        return None
    points.sort(key=lambda point: abs(math.log(point[1] / limit)))
    (steps, value), *others = points
    slope = _order(board, place) * (2.0 if metric == "dissimilarity" else 1.0)
    other = next((p for p in others if p[0] != steps), None)
    if other is not None:
        slope = math.log(value / other[1]) / math.log(steps / other[0])
    return steps * math.exp(math.log(limit / value) / min(FLATTEST, max(STEEPEST, slope)))


def _alike(board: Board, place: Place) -> list[Evidence]:
    """What is known of a place at any steps, or of its solver at another taste."""
    own = board.found(place)
    if any(e.rows for e in own):
        return own
    at = [i for i, d in enumerate(board.space.dimensions) if not d.taste and d.name != "steps"]
    return [e for e in board.evidence.values() if all(e.place[i] == place[i] for i in at)]


def _widest(board: Board) -> Evidence | None:
    return max(board.evidence.values(), key=lambda e: len(e.rows), default=None)


def _order(board: Board, place: Place) -> float:
    """The steepest slope that a sampler's order allows at few steps."""
    sampler = board.space.settings(place).get("sampler", board.search.base.sampling.sampler)
    info = find_sampler(str(sampler))
    return -1.0 if info.stochastic else -1.2 * min(2, max(1, info.order))


def worth_trying(board: Board, place: Place, target: Target, *, hope: float = HOPE) -> Place | None:
    """The step count of a place's profile that is worth measuring next; None where none is.

    To spend least: the fewest steps that are predicted to be near enough; of those that could still win, the most,
    where these nearly are. To be most exact: the most steps within the limit.
    """
    rungs = [rung for rung in board.profile(place) if board.could_win(rung, target)]
    if not rungs:
        return None
    needed = None if target.minimise != "calls" else needed_steps(board, place, target)
    if needed is None:
        return rungs[-1]
    enough = [rung for rung in rungs if board.steps_of(rung) >= needed * 0.999]
    if enough:
        return enough[0]
    pictures = max((len(e.rows) for e in _alike(board, place)), default=1)
    return rungs[-1] if needed <= hope * (1.0 + 1.0 / max(1, pictures)) * board.steps_of(rungs[-1]) else None
