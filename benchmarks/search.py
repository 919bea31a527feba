"""The search against exhaustive grids: how far its setting is from the grid's best, and at which share of the grid's calls.

``python -m benchmarks search`` builds the grids that its folder does not hold yet (pastina's anew for other weights) and lets
the search run on each of them again and again, the grid answering. Calls are counted as they would have been made, converged
pictures included, on both sides. ``python -m benchmarks.search mixture`` does so on the named grids alone and leaves the
figures of the others as they are.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import RESULTS, save
from benchmarks.search_grids import GRIDS, Grid

RIVAL_RUNS = 8
"""Fewer, as a proposal takes TPE some hundredths of a second."""

TARGET = 0.15
"""Of the grid's calls, so many may be spent."""

RUNS = 24
"""Searches of each grid; they meet the pictures in another order and ask with other chance."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """An aim on a grid."""

    name: str
    grid: str
    aim: Mapping[str, Any]


CASES = (
    Case(name="mixture: cheapest within tolerance", grid="mixture", aim={}),
    Case(name="mixture: most exact within 24 calls", grid="mixture", aim={"minimise": "error", "calls_at_most": 24.0}),
    Case(name="guided mixture: cheapest with 98 % of the adherence", grid="guided", aim={"scorer": "posterior", "share": 0.98}),
    Case(name="pastina: cheapest within tolerance", grid="pastina", aim={}),
    Case(name="pastina: most exact within 24 calls", grid="pastina", aim={"minimise": "error", "calls_at_most": 24.0}),
)


def replay(grid: Grid, asked: Any) -> Any:
    """A search whose questions the grid answers, and the calls that it would have made."""
    from aldente.tuning.search.protocol import search_through
    from aldente.tuning.search.wants import Answer

    instances, known = asked.instances, set()
    # The baseline of flaws and the unit of error come from the converged pictures at the base's guidance.
    home = grid.converged[asked.home]
    protocol = search_through(asked, lambda place: grid.prices.get(place, 0.0))
    try:
        want = next(protocol)
        while True:
            calls, rows = 0.0, {}
            if not known:
                known = {(home, instance) for instance in instances}
                calls += len(known) * grid.converged_calls[home]
            for place, numbers in want.trials:
                for i in numbers:
                    row = grid.rows[place, instances[i]]
                    end = (grid.converged[place], instances[i])
                    if want.converged and end not in known:
                        known.add(end)
                        calls += grid.converged_calls[end[0]]
                    calls += 0.0 if (place, i) in known else grid.prices[place]
                    known.add((place, i))
                    rows[place, i] = row if want.converged else row.model_copy(update={"error": None, "similarity": None})
            want = protocol.send(Answer(rows, round(calls)))
    except StopIteration as stop:
        return stop.value


def optimum(grid: Grid, asked: Any) -> tuple[tuple[int, ...], Any]:
    """The best place of the whole grid, and the target by which it is."""
    from aldente.tuning.search.board import Board
    from aldente.tuning.search.measured import Evidence, Target
    from aldente.tuning.search.question import keeping, solver_target
    from aldente.tuning.search.race import violation

    board = Board(asked, lambda place: grid.prices.get(place, 0.0))
    for place, price in grid.prices.items():
        rows = {i: grid.rows[place, instance] for i, instance in enumerate(asked.instances)}
        board.evidence[place] = Evidence(place=place, price=price, source="grid", rows=rows)
    target = solver_target(asked)
    if asked.scorer is not None:
        # A taste has the adherence and the flaws of its most exact setting: the best of all settings would be one of luck.
        exact = [min(each.evidence.values(), key=lambda e: e.mean("error")) for each in _by_taste(board)]
        clean = [e for e in exact if violation(e, Target("error", {}), board.court) == 0.0]
        target = keeping(asked, min(e.mean("mismatch") for e in clean))
    return board.best(target).place, target


def _by_taste(board: Any) -> list[Any]:
    """A board for each taste of the grid."""
    from aldente.tuning.search.board import Board

    boards: dict[tuple[int, ...], Any] = {}
    for place, e in board.evidence.items():
        boards.setdefault(board.taste_of(place), Board(board.search, board.price)).evidence[place] = e
    return list(boards.values())


@dataclass(frozen=True, kw_only=True)
class Score:
    """One search of a grid: how much worse its setting is than the grid's, and its share of the grid's calls."""

    regret: float
    shortfall: float
    share: float
    asks: int


def score(grid: Grid, asked: Any, best: tuple[int, ...], target: Any) -> Score:
    """Let a search run and compare."""
    found = replay(grid, asked)
    chosen = found.finalists[0]

    def mean(place: Any, metric: str) -> float:
        return float(grid.prices[place]) if metric == "calls" else _mean(grid, asked, place, metric)

    regret = mean(chosen.place, target.minimise) / mean(best, target.minimise) - 1.0
    beyond = [mean(chosen.place, metric) - limit for metric, limit in target.limits.items()]
    return Score(
        regret=regret,
        shortfall=max([0.0, *(b / abs(limit) for b, limit in zip(beyond, target.limits.values(), strict=True))]),
        share=found.board.calls / grid.calls,
        asks=len(found.board.asks),
    )


def rival(grid: Grid, asked: Any, best: tuple[int, ...], target: Any, *, model: bool, seed: int) -> float:
    """The regret of proposals that are measured on every picture, by TPE or at random, until ``TARGET`` of the calls are spent.

    No racing, no prices known beforehand, no ladders: what a library of search alone would do.
    """
    from aldente.tuning.search.ask import Proposer, Told
    from aldente.tuning.search.race import excess

    proposer, rng, known = Proposer(asked.space), np.random.default_rng(seed), set()
    drawable, spent, least = sorted(grid.prices), 0.0, float("inf")
    while spent < TARGET * grid.calls and len(known) < len(drawable):
        place = proposer.propose(1000 * seed + len(known)) if model else drawable[int(rng.integers(len(drawable)))]
        if place in known or place not in grid.prices:
            place = drawable[int(rng.integers(len(drawable)))]
        rows = [grid.rows[place, instance] for instance in asked.instances]
        if place not in known:
            ends = {grid.converged[place], *(grid.converged[p] for p in known)} - {grid.converged[p] for p in known}
            spent += len(rows) * (grid.prices[place] + sum(grid.converged_calls[end] for end in ends))
        known.add(place)
        means = {m: statistics.fmean(row.value(m) for row in rows) for m in {target.minimise, *target.limits} - {"calls"}}
        means["calls"] = float(grid.prices[place])
        broken = {m: excess(m, means[m], limit) for m, limit in target.limits.items()}
        value = means[target.minimise]
        if max(broken.values(), default=0.0) <= 0.0:
            least = min(least, value)
        if model:
            proposer.tell(Told(place, float(np.log(value)) if value > 0 else value, broken))
    worth = grid.prices[best] if target.minimise == "calls" else _mean(grid, asked, best, target.minimise)
    return least / worth - 1.0


def _mean(grid: Grid, asked: Any, place: Any, metric: str) -> float:
    return statistics.fmean(grid.rows[place, instance].value(metric) for instance in asked.instances)


def run(names: Iterable[str] = ()) -> None:
    """Print and save the figures."""
    wanted, grids = set(names), {}
    for case in CASES:
        if wanted and case.grid not in wanted:
            continue
        grid = grids[case.grid] = grids.get(case.grid) or GRIDS[case.grid]()
        facts = figures_of(grid, case)
        print(f"{case.name}: {facts['places']} settings, {facts['calls']:.0f} calls; best {facts['best']}")
        print(
            f"  regret median {facts['regret']:+.2%} (worst {facts['worst']:+.1%}), within 1 % in {facts['within']:.0%}"
            f" of {RUNS};"
            f" calls median {facts['share']:.1%} (most {facts['most']:.1%}); {facts['seconds']:.1f} s a search",
            f"\n  at {TARGET:.0%} of the calls, every setting measured to the end: TPE {facts['rivals']['tpe']:+.1%},"
            f" random {facts['rivals']['random']:+.1%}",
            flush=True,
        )
        print(save("search", _kept() | {case.name: facts}))


def _kept() -> dict[str, Any]:
    """The figures of an earlier run, of aims that there still are."""
    path = RESULTS / "search.json"
    kept = json.loads(path.read_text())["figures"] if path.exists() else {}
    return {case.name: kept[case.name] for case in CASES if case.name in kept}


def figures_of(grid: Grid, case: Case) -> dict[str, Any]:
    """The figures of one aim over all runs."""
    asked = grid.question.model_copy(update=dict(case.aim))
    best, target = optimum(grid, asked)
    started = time.perf_counter()
    scores = [score(grid, asked.model_copy(update={"stream": n}), best, target) for n in range(RUNS)]
    seconds = (time.perf_counter() - started) / RUNS
    rivals = {
        name: statistics.median(rival(grid, asked, best, target, model=name == "tpe", seed=n) for n in range(RIVAL_RUNS))
        for name in ("tpe", "random")
    }
    regrets, shares = [s.regret for s in scores], [s.share for s in scores]
    return {
        "places": len(grid.prices),
        "calls": grid.calls,
        "best": asked.space.settings(best),
        "regret": statistics.median(regrets),
        "worst": max(regrets),
        "within": sum(s.regret <= 0.01 and s.shortfall <= 0.01 for s in scores) / RUNS,
        "share": statistics.median(shares),
        "most": max(shares),
        "asks": statistics.median(s.asks for s in scores),
        "seconds": seconds,
        "rivals": rivals,
    }


if __name__ == "__main__":
    run(sys.argv[1:])
