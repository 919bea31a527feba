"""Step caching against simply fewer steps, at the same mean number of calls: how far from the converged picture each is.

On the mixture, which is known in closed form, and on pastina. ``python -m benchmarks reuse``.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learned import prompts
from benchmarks.measure import save

SAMPLERS = ("euler", "dpmpp_2m")
STEPS = (20, 30, 50)
THRESHOLDS = (0.01, 0.03, 0.1, 0.2)
FEWER = {"mixture": (6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50), "pastina": (7, 10, 14, 20, 30, 50)}
CONVERGED = {"mixture": 400, "pastina": 100}
PROMPTS = {"mixture": 128, "pastina": 12}
CFG = {"mixture": 7.5, "pastina": 4.0}

Losses = NDArray[np.float64]


class Course:
    """A model, its prompts, and the converged latents and pictures that all are measured against."""

    def __init__(self, name: str) -> None:
        from aldente.tuning.isolation import jnd_of
        from benchmarks.mixture import Mixture

        self.name = name
        self.model: Any = Mixture() if name == "mixture" else _pastina()
        taught, others = prompts(name)
        self.prompts = (*others, *taught)[: PROMPTS[name]]
        self.latents, self.pictures, _ = self.drawn("dpmpp_2m", CONVERGED[name], None)
        self.jnd = jnd_of(self.pictures) if self.pictures else 1.0

    def drawn(self, sampler: str, steps: int, threshold: float | None) -> tuple[Losses, list[Any], Losses]:
        """The latents, the pictures (none of the mixture) and the evaluations under guidance, by prompt."""
        from aldente.recipe.recipe import Guidance, Recipe, Sampling
        from aldente.render.batching import Drive, Job, Limits
        from aldente.render.render import latent_of

        side = 8 if self.name == "mixture" else 64
        sampling = Sampling(sampler=sampler, steps=steps, reuse_threshold=threshold, guidance=Guidance(scale=CFG[self.name]))
        recipes = [Recipe(prompt=said, seed=1, width=side, height=side, sampling=sampling) for said in self.prompts]
        jobs = [Job(key=i, start=partial(latent_of, recipe, self.model)) for i, recipe in enumerate(recipes)]
        limits = Limits(rows=self.model.info.rows)
        ended = {o.key: o for o in Drive(jobs, self.model.estimate, clock=time.perf_counter, limits=limits)}
        latents = np.concatenate([ended[i].result for i in range(len(recipes))])
        pictures = [] if self.name == "mixture" else list(self.model.decode(latents))
        return latents.astype(np.float64), pictures, np.array([ended[i].usage.asked / 2 for i in range(len(recipes))])

    def measured(self, sampler: str, steps: int, threshold: float | None) -> dict[str, Any]:
        """Calls and distances to the converged pictures: geometric means over the prompts, the worst of them, and JND."""
        latents, pictures, calls = self.drawn(sampler, steps, threshold)
        errors = np.sqrt(((latents - self.latents) ** 2).mean(axis=(1, 2, 3)))
        apart = [np.asarray(a, float) - np.asarray(b, float) for a, b in zip(pictures, self.pictures, strict=True)]
        seen = [math.sqrt(float((one**2).mean())) / self.jnd for one in apart]
        return {
            "sampler": sampler,
            "steps": steps,
            "threshold": threshold,
            "calls": float(calls.mean()),
            "fewest": float(calls.min()),
            "most": float(calls.max()),
            "error": _mean(errors),
            "worst": float(errors.max()),
            "jnd": None if not seen else float(np.mean(seen)),
        }


def _pastina() -> Any:
    from aldente.models.table import find_model

    return find_model("pastina").load(None)


def _mean(errors: Losses) -> float:
    return math.exp(float(np.log(errors).mean()))


def at_equal_calls(row: dict[str, Any], ladder: list[dict[str, Any]], metric: str) -> float:
    """The metric of plain steps at as many calls: between rungs by the power law."""
    calls = [math.log(rung["calls"]) for rung in ladder]
    return math.exp(float(np.interp(math.log(row["calls"]), calls, [math.log(rung[metric]) for rung in ladder])))


def compared(name: str) -> dict[str, Any]:
    """Every threshold at every number of steps beside plain steps; below 1 caching is the better way."""
    course = Course(name)
    ladders = {sampler: [course.measured(sampler, steps, None) for steps in FEWER[name]] for sampler in SAMPLERS}
    rows = []
    for sampler in SAMPLERS:
        for steps in STEPS:
            for threshold in THRESHOLDS:
                row = course.measured(sampler, steps, threshold)
                for metric in ("error", "worst", "jnd"):
                    if row[metric] is not None:
                        row[f"{metric}_ratio"] = row[metric] / at_equal_calls(row, ladders[sampler], metric)
                rows.append(row)
                print(_line(name, row), flush=True)
    return {"prompts": len(course.prompts), "plain": ladders, "cached": rows}


def _line(name: str, row: dict[str, Any]) -> str:
    jnd = "" if row["jnd"] is None else f", JND {row['jnd']:.3f} ({row['jnd_ratio']:.2f}x)"
    return (
        f"{name:8} {row['sampler']:8} {row['steps']:3} steps, threshold {row['threshold']:<4}: {row['calls']:5.1f} calls,"
        f" error {row['error']:.4f} ({row['error_ratio']:.2f}x plain steps at as many calls){jnd}"
    )


def run() -> None:
    """Print and save the figures."""
    started = time.perf_counter()
    figures: dict[str, Any] = {name: compared(name) for name in ("mixture", "pastina")}
    figures["seconds"] = time.perf_counter() - started
    print(save("reuse", figures))


if __name__ == "__main__":
    run()
