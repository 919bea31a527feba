"""The exhaustive grids that the search is held against: on Gaussian mixtures, guided and not, and on pastina.

Every picture of every setting is measured once. A grid on pastina is kept for its weights in the folder of outputs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path("out/benchmarks")
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
