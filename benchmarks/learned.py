"""Learned schedules against Karras, the best known one and shortest paths, on prompts they were not learned from.

And adaptive steps against fixed ones. ``python -m benchmarks learned`` measures what its store does not hold yet;
``python -m benchmarks.learned pastina:lms:8`` one lesson.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import save

STORE = Path("out/benchmarks/learned.db")
STEPS = (5, 6, 8, 10, 12)
LESSONS = (
    *(f"mixture:dpmpp_2m:{n}" for n in STEPS),
    *(f"pastina:dpmpp_2m:{n}" for n in STEPS),
    *(f"pastina:lms:{n}" for n in STEPS[1:]),
)
CFG = {"mixture": 7.5, "pastina": 4.0}
TOLERANCES = (0.2, 0.1, 0.05, 0.03, 0.02)
KINDS = ("3d render", "flat vector", "cartoon emoji")
THINGS = (
    "red apple", "cat face", "house", "castle", "owl", "automobile", "hamburger", "sailboat", "grinning face", "pizza", "tiger",
    "airplane", "rose", "mushroom", "guitar", "strawberry", "red heart", "police officer", "bicycle", "dog face", "church",
    "penguin", "banana", "rocket", "crown", "elephant", "umbrella", "fish", "sun", "clock", "blue car", "tree",
)  # fmt: skip
TAUGHT = 16


def prompts(model: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The prompts to learn from and the others."""
    if model == "mixture":
        return tuple(f"mode {i}" for i in range(128)), tuple(f"other {i}" for i in range(192))
    said = tuple(f"{thing}, {KINDS[i % len(KINDS)]}" for i, thing in enumerate(THINGS))
    return said[:TAUGHT], said[TAUGHT:]


def bench(model: str) -> Any:
    """The workbench on the benchmark's own store."""
    from aldente.store import open_store
    from aldente.studio.workbench import Workbench
    from benchmarks.mixture import Mixture

    STORE.parent.mkdir(parents=True, exist_ok=True)
    load: Callable[[str], Any]
    if model == "mixture":
        load = lambda name: Mixture()  # noqa: E731
    else:
        from aldente.models.table import find_model

        load = lambda name: find_model(name).load(None)  # noqa: E731
    return Workbench(store=open_store(str(STORE)), load=load)


def lesson(name: str) -> Any:
    """The lesson of a name such as 'pastina:dpmpp_2m:8'."""
    from aldente.recipe.recipe import Guidance, Recipe, Sampling
    from aldente.tuning.learning.lesson import Lesson

    model, sampler, steps = name.split(":")
    side = 8 if model == "mixture" else 64
    sampling = Sampling(sampler=sampler, steps=int(steps), guidance=Guidance(scale=CFG[model]))
    taught, held_out = prompts(model)
    base = Recipe(model=model, width=side, height=side, seed=1, sampling=sampling)
    return Lesson(base=base, prompts=taught, held_out_prompts=held_out)


def teach(name: str) -> dict[str, Any]:
    """The figures of one lesson; at once where it was taught before."""
    from aldente.studio.learning import learn_schedule

    run = learn_schedule(bench(name.partition(":")[0]), lesson(name), preset_name=name, listen=lambda what: None)
    found = run.result
    karras = next(rival for rival in found.rivals if rival.name == "karras")
    ladder = [(rung.steps, rung.loss) for rung in found.ladder]
    if found.sampler == "dpmpp_2m":
        ladder.insert(0, (found.steps, karras.loss))
    return {
        "karras": karras.loss,
        "best_known": found.best_rival.loss,
        "best_known_name": found.best_rival.name,
        "path": None if found.path is None else found.path.loss,
        "learned": found.loss,
        "learned_in_training": found.training_loss,
        "accepted": found.accepted,
        "started_from": found.started_from,
        "sigmas": found.sigmas,
        "karras_ladder": ladder,
        "calls": found.calls,
    }


def worth(loss: float, ladder: list[tuple[int, float]]) -> float | None:
    """The steps of DPM++ 2M Karras of the same loss, between rungs by the power law; None below all of the ladder."""
    for (few, far), (more, near) in pairwise(ladder):
        if near <= loss <= far:
            share = math.log(far / loss) / math.log(far / near)
            return math.exp(math.log(few) + share * math.log(more / few))
    return float(ladder[0][0]) if loss > ladder[0][1] else None


def adaptive() -> dict[str, Any]:
    """Adaptive steps and fixed ones at equal mean calls on pastina: mean and worst loss over all prompts."""
    from aldente.render.batching import Drive, Job
    from aldente.render.render import latent_of
    from aldente.tuning.learning.lesson import teacher_for

    taught = lesson("pastina:dpmpp_2m:8")
    model = bench("pastina").model("pastina")
    said = (*taught.prompts, *taught.held_out_prompts)

    def run(change: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
        recipes = [change(teacher_for(taught, prompt)) for prompt in said]
        jobs = [Job(key=i, start=partial(latent_of, recipe, model)) for i, recipe in enumerate(recipes)]
        ended = {o.key: o for o in Drive(jobs, model.estimate, clock=time.perf_counter)}
        latents = np.concatenate([ended[i].result for i in range(len(said))])
        return latents.astype(np.float64), np.array([ended[i].usage.asked / 2 for i in range(len(said))])

    def changed(recipe: Any, **sampling: Any) -> Any:
        return recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update=sampling)})

    exact, _ = run(lambda recipe: recipe)
    rows = []
    for rtol in TOLERANCES:
        for label, sampling in {f"rtol {rtol}": {"sampler": "dpmpp_2m_adaptive", "rtol": rtol}}.items():
            latents, calls = run(partial(changed, **sampling))
            rows.append(_row(label, latents - exact, calls))
        steps = round(float(calls.mean()))
        for schedule in ("karras", "ays_sdxl", "beta", "exponential"):
            latents, taken = run(partial(changed, schedule=schedule, steps=steps))
            rows.append(_row(f"{schedule} {steps}", latents - exact, taken))
    return {"rows": rows}


def _row(label: str, error: np.ndarray, calls: np.ndarray) -> dict[str, Any]:
    loss = np.sqrt((error**2).mean(axis=(1, 2, 3)))
    return {
        "what": label,
        "calls": float(calls.mean()),
        "fewest": float(calls.min()),
        "most": float(calls.max()),
        "loss": float(loss.mean()),
        "worst": float(loss.max()),
    }


def _model(lesson: str) -> str:
    return lesson.split(":", maxsplit=1)[0]


def run() -> None:
    """Print and save the figures."""
    figures: dict[str, Any] = {"lessons": {name: teach(name) for name in LESSONS}}
    print(f"{'lesson':22} {'karras':>8} {'best known':>22} {'path':>8} {'learned':>8}  accepted  worth Karras steps")
    for name, facts in figures["lessons"].items():
        others = [one["karras_ladder"] for other, one in figures["lessons"].items() if _model(other) == _model(name)]
        facts["worth_karras_steps"] = worth(facts["learned"], sorted({(n, loss) for ladder in others for n, loss in ladder}))
        path = "-" if facts["path"] is None else f"{facts['path']:.4f}"
        worth_steps = "> twice" if facts["worth_karras_steps"] is None else f"{facts['worth_karras_steps']:.1f}"
        best = f"{facts['best_known_name']} {facts['best_known']:.4f}"
        known = f"{facts['karras']:8.4f} {best:>22} {path:>8} {facts['learned']:8.4f}"
        print(f"{name:22} {known}  {facts['accepted']!s:8}  {worth_steps}")
    figures["adaptive"] = adaptive()
    for row in figures["adaptive"]["rows"]:
        calls = f"{row['calls']:5.2f} calls ({row['fewest']:.0f}-{row['most']:.0f})"
        print(f"{row['what']:14} {calls}, loss {row['loss']:.4f}, worst {row['worst']:.4f}")
    print(save("learned", figures))


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        started = time.perf_counter()
        print(wanted, teach(wanted), f"{time.perf_counter() - started:.0f} s", flush=True)
