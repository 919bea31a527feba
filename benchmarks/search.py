"""The search against exhaustive grids: how far its setting is from the grid's best, and at which share of the grid's calls.

``python -m benchmarks search`` builds the grids that its folder does not hold yet (pastina's anew for other weights) and lets
the search run on each of them again and again, the grid answering. Calls are counted as they would have been made, converged
pictures included, on both sides.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import save

FOLDER = Path("out/benchmarks")
RIVAL_RUNS = 8
"""Fewer, as a proposal takes TPE some hundredths of a second."""

TARGET = 0.15
"""Of the grid's calls, so many may be spent."""

RUNS = 24
"""Searches of each grid; they meet the pictures in another order and ask with other chance."""

SAMPLERS = ("euler", "heun", "dpmpp_2m", "uni_pc", "deis", "dpmpp_2m_sde")
SCHEDULES = ("karras", "exponential", "sgm_uniform", "beta", "kl_optimal")
STEPS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40)
CFGS = (1.5, 2.5, 4.0, 5.0, 6.0, 7.5, 9.0)
PROMPTS = ("red apple, 3d render", "castle, flat vector", "owl, 3d render", "bicycle, flat vector", "cat face, cartoon emoji",
           "hamburger, 3d render")  # fmt: skip
SEEDS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """An exhaustive grid: the question without its aim, the calls of every place, and every picture's measurements."""

    question: Any
    prices: Mapping[tuple[int, ...], float]
    rows: Mapping[tuple[tuple[int, ...], Any], Any]
    converged: Mapping[tuple[int, ...], str]
    """Which converged picture a place is measured against, in words that tell them apart."""
    converged_calls: Mapping[str, float]

    @cached_property
    def calls(self) -> float:
        """What the whole grid costs: every picture, and every converged one once."""
        instances = len(self.question.instances)
        return instances * (sum(self.prices.values()) + sum(self.converged_calls.values()))


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


def question(
    model: str, side: int, cfgs: Any = (), steps: Any = STEPS, samplers: Any = SAMPLERS, schedules: Any = SCHEDULES
) -> Any:
    """The question of a grid."""
    from aldente.recipe.recipe import Guidance, Recipe, Sampling
    from aldente.tuning.search.question import Search
    from aldente.tuning.search.space import Space, dimension_of

    base = Recipe(model=model, width=side, height=side, sampling=Sampling(guidance=Guidance(scale=4.0)))
    named = {"sampler": samplers, "schedule": schedules, "steps": steps, **({"cfg": cfgs} if cfgs else {})}
    space = Space(dimensions=tuple(dimension_of(name, values, base) for name, values in named.items()))
    return Search(base=base, prompts=PROMPTS, seeds=SEEDS, space=space, front=False, confirm=False)


def places(asked: Any) -> list[tuple[int, ...]]:
    """Every place of a space."""
    return list(product(*(range(len(dimension.values)) for dimension in asked.space.dimensions)))


def recipes_of(asked: Any, model: Any) -> tuple[dict[tuple[int, ...], Any], dict[tuple[int, ...], Any]]:
    """The recipe of every place that can be drawn, and that of its converged picture."""
    from aldente.studio.forecast import count_calls
    from aldente.tuning.search.question import converged_recipe

    every = {place: asked.space.recipe(asked.base, place) for place in places(asked)}
    drawn = {place: recipe for place, recipe in every.items() if count_calls(recipe, model)}
    return drawn, {place: converged_recipe(asked, recipe) for place, recipe in drawn.items()}


def subject(recipe: Any, instance: tuple[str, int]) -> Any:
    """The recipe of one prompt and seed."""
    return recipe.model_copy(update={"prompt": instance[0], "seed": instance[1]})


def latents64(recipes: Iterable[Any], model: Any) -> list[np.ndarray]:
    """The latents of recipes, computed in float64 throughout."""
    from aldente.render.batching import Drive, Job, Limits

    jobs = [Job(key=i, start=partial(_run64, recipe, model)) for i, recipe in enumerate(recipes)]
    ended = {o.key: o for o in Drive(jobs, model.estimate, clock=time.perf_counter, limits=Limits(rows=256, live=256))}
    return [np.asarray(ended[i].result) for i in range(len(jobs))]


def _run64(recipe: Any, model: Any) -> Any:
    from aldente.engine.samplers import find_sampler, prepare
    from aldente.engine.trajectory import trajectory
    from aldente.render.conditioning import denoiser_of
    from aldente.render.levels import levels_of
    from aldente.render.noise import noise_of

    info, sampling = model.info, recipe.sampling
    levels = levels_of(sampling, info)
    shape = (info.latent_channels, recipe.height // info.latent_scale, recipe.width // info.latent_scale)
    noise = noise_of(recipe.seed, recipe.stages[0], sampling.rng, shape, levels[0])
    run = prepare(find_sampler(sampling.sampler), levels, noise.churn, {})
    start = noise.start.astype(np.float64)
    return trajectory(run.sampler, denoiser_of(recipe, model, levels), start, run.levels, noise.step, lift=run.lift)


BLUNTNESS = 64.0
"""The posterior of what is meant is taken at this temperature; at 1 it is 1 for every guidance."""

MIXTURE_JND = 0.03
"""The unit of error on the mixture: RMS of a number of the latent, whose data have a deviation of 1/4 around their centres."""


def mixture_grid(*axes: Any) -> Grid:
    """A grid on Gaussian mixtures: error against the converged latent, adherence by the exact posterior of what is meant.

    Its signs of flaws are the distance to the nearest centre that is meant, and the length of the latent.
    """
    from aldente.studio.forecast import count_calls
    from aldente.tuning.search.measured import Measured
    from benchmarks.mixture import DEVIATION, Mixture

    model, asked = Mixture(), question("mixture", 8, *axes)
    drawn, ends = recipes_of(asked, model)
    prices = {place: count_calls(recipe, model) for place, recipe in drawn.items()}
    rows = {}
    for instance in asked.instances:
        unique = {end.digest(): end for end in ends.values()}
        exact = dict(zip(unique, latents64([subject(end, instance) for end in unique.values()], model), strict=True))
        home = ends[asked.home]
        meant = model.encode(((instance[0], 1.0),))
        baseline = signs_of(exact[home.digest()], model, meant)
        latents = latents64([subject(recipe, instance) for recipe in drawn.values()], model)
        for place, latent in zip(drawn, latents, strict=True):
            error = float(np.sqrt(((latent - exact[ends[place].digest()]) ** 2).mean())) / MIXTURE_JND
            signs = signs_of(latent, model, meant)
            worse = {name: (signs[name] - baseline[name]) / (DEVIATION / 2) for name in ("distance", "length")}
            rows[place, instance] = Measured(
                calls=prices[place], error=error, similarity=1.0, adherence=signs["posterior"], worse=worse
            )
    words = {place: end.digest() for place, end in ends.items()}
    calls = {end.digest(): float(count_calls(end, model)) for end in ends.values()}
    return Grid(question=asked, prices=prices, rows=rows, converged=words, converged_calls=calls)


def signs_of(latent: np.ndarray, model: Any, meant: tuple[int, ...]) -> dict[str, float]:
    """How far a latent is from the nearest centre that is meant, how long it is, and how probably it is of what is meant."""
    from benchmarks.mixture import DEVIATION

    flat = latent.reshape(-1)
    squares = ((flat[None] - model._centres) ** 2).sum(axis=1)
    logits = -0.5 * squares / DEVIATION**2 / BLUNTNESS
    share = np.exp(logits - logits.max())
    length = float(np.linalg.norm(flat))
    posterior = float(share[list(meant)].sum() / share.sum())
    return {"distance": float(np.sqrt(squares[list(meant)].min())), "length": length, "posterior": posterior}


def pastina_grid() -> Grid:
    """A grid on pastina, kept for its weights: every picture measured as ``aldente search`` does."""
    from aldente.models.table import find_model

    model = find_model("pastina").load(None)
    asked = question("pastina", 64, (), STEPS[:11], SAMPLERS[:4], ("karras", "exponential", "beta"))
    path = FOLDER / f"search-pastina-{model.info.fingerprint[:12]}-{asked.digest()[:8]}.json"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_drawn(asked, model)))
    facts = json.loads(path.read_text())
    from aldente.tuning.search.measured import Measured

    rows = {(tuple(place), tuple(instance)): Measured.model_validate(row) for place, instance, row in facts["rows"]}
    by_place = {tuple(place): (calls, word) for place, calls, word in facts["places"]}
    return Grid(
        question=asked,
        prices={place: calls for place, (calls, _) in by_place.items()},
        rows=rows,
        converged={place: word for place, (_, word) in by_place.items()},
        converged_calls=facts["converged_calls"],
    )


def _drawn(asked: Any, model: Any) -> dict[str, Any]:
    """Draw and measure the whole grid."""
    from aldente.quality.table import flaws
    from aldente.render.render import render
    from aldente.studio.forecast import count_calls
    from aldente.tuning.isolation import jnd_of
    from aldente.tuning.search.judge import judge, near

    drawn, ends = recipes_of(asked, model)
    unique = {end.digest(): end for end in ends.values()}

    def images(recipes: list[Any]) -> dict[str, Any]:
        made = render(recipes, model, clock=time.perf_counter)
        return {one.recipe.digest(): one.image for one in made if one.error is None}

    exact = {}
    for instance in asked.instances:
        made = images([subject(end, instance) for end in unique.values()])
        exact.update({(digest, instance): made[subject(end, instance).digest()] for digest, end in unique.items()})
    home = ends[asked.home].digest()
    jnd = jnd_of([exact[home, instance] for instance in asked.instances])
    prices = {place: count_calls(recipe, model) for place, recipe in drawn.items()}
    rows = []
    for number, instance in enumerate(asked.instances, start=1):
        started = time.perf_counter()
        baseline = flaws(exact[home, instance])
        made = images([subject(recipe, instance) for recipe in drawn.values()])
        for place, recipe in drawn.items():
            image = made[subject(recipe, instance).digest()]
            row = judge(image, baseline, calls=prices[place], seconds=0.0, adherence=None)
            row = near(row, image, exact[ends[place].digest(), instance], jnd=jnd)
            rows.append([place, instance, row.model_dump(mode="json")])
        print(
            f"  pastina's grid, {number} of {len(asked.instances)} pictures of each: {time.perf_counter() - started:.0f} s",
            flush=True,
        )
    by_place = [[place, prices[place], ends[place].digest()] for place in drawn]
    return {"rows": rows, "places": by_place, "converged_calls": {d: count_calls(end, model) for d, end in unique.items()}}


GRIDS: dict[str, Callable[[], Grid]] = {
    "mixture": mixture_grid,
    "guided": lambda: mixture_grid(CFGS, STEPS[::2], SAMPLERS[1:5], SCHEDULES[:3]),
    "pastina": pastina_grid,
}


def replay(grid: Grid, asked: Any) -> Any:
    """A search whose questions the grid answers, and the calls that it would have made."""
    from aldente.tuning.search.board import Answer
    from aldente.tuning.search.protocol import search_through

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
    wanted, grids, figures = set(names), {}, {}
    for case in CASES:
        if wanted and case.grid not in wanted:
            continue
        grid = grids[case.grid] = grids.get(case.grid) or GRIDS[case.grid]()
        figures[case.name] = facts = figures_of(grid, case)
        print(f"{case.name}: {facts['places']} settings, {facts['calls']:.0f} calls; best {facts['best']}")
        print(
            f"  regret median {facts['regret']:+.2%} (worst {facts['worst']:+.1%}), within 1 % in {facts['within']:.0%}"
            f" of {RUNS};"
            f" calls median {facts['share']:.1%} (most {facts['most']:.1%}); {facts['seconds']:.1f} s a search",
            f"\n  at {TARGET:.0%} of the calls, every setting measured to the end: TPE {facts['rivals']['tpe']:+.1%},"
            f" random {facts['rivals']['random']:+.1%}",
            flush=True,
        )
    print(save("search", figures) if not wanted else "")


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
