"""Where the same recipe gives the same bits: alone, in batches of any size, order and company, elsewhere, on other threads."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import save

ROWS = (1, 2, 3, 5, 8, 16)
CALLS = 40
"""Random batches of random rows in the check of single model calls."""

Digests = dict[str, str]


def recipes() -> list[Any]:
    """Recipes that have little in common: samplers with and without noise, prompts, sizes, guidance and steps."""
    from aldente.recipe.recipe import Guidance, Recipe, Sampling

    told = [
        ("euler", "karras", 4, 7.0, "a red apple, 3d render", 64, 64),
        ("dpmpp_2m", "karras", 6, 4.0, "a house", 64, 64),
        ("dpmpp_2m_sde", "karras", 5, 7.0, "a cat and (a dog:1.3)", 64, 64),
        ("euler_ancestral", "normal", 7, 11.0, "an owl, flat vector", 64, 64),
        ("heun", "karras", 3, 2.0, "a castle on a purple background", 64, 64),
        ("dpmpp_2m", "exponential", 5, 1.0, "a bicycle", 80, 48),
        ("euler", "karras", 5, 5.0, "a [boat:car:0.5], cartoon emoji", 96, 64),
        ("lms", "karras", 6, 3.0, "", 64, 128),
    ]
    return [
        Recipe(
            prompt=prompt,
            width=width,
            height=height,
            seed=1000 + number,
            sampling=Sampling(sampler=sampler, schedule=schedule, steps=steps, guidance=Guidance(scale=scale)),
        )
        for number, (sampler, schedule, steps, scale, prompt, width, height) in enumerate(told)
    ]


def digests(model: Any, wanted: Sequence[Any], rows: int = 16) -> Digests:
    """The SHA-256 of latent and picture of every recipe, drawn together in batches of at most ``rows``."""
    from aldente.render.batching import Limits
    from aldente.render.render import render

    made = {}
    for rendered in render(wanted, model, clock=time.perf_counter, limits=Limits(rows=rows)):
        assert rendered.error is None, rendered.error
        bits = np.ascontiguousarray(rendered.latent).tobytes() + rendered.image.tobytes()
        made[rendered.recipe.digest()] = hashlib.sha256(bits).hexdigest()
    return made


def alone(model: Any, wanted: Sequence[Any]) -> Digests:
    """The same, each recipe drawn by itself, a row at a time."""
    return {key: value for recipe in wanted for key, value in digests(model, [recipe], rows=1).items()}


def elsewhere(threads: int) -> Digests:
    """The same from another process, in reverse order."""
    code = "import sys; from benchmarks.identity import tell; tell(int(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(threads)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def tell(threads: int) -> None:
    """Print the digests of all recipes as JSON, for ``elsewhere``."""
    from aldente.models.pastina import load

    print(json.dumps(digests(load(threads=threads), recipes()[::-1])))


def run() -> None:
    """Print and save where the bits are the same."""
    from aldente.models.pastina import load

    model, wanted = load(threads=2), recipes()
    expected = alone(model, wanted)
    shuffled = random.Random(0).sample(wanted, len(wanted))
    company = [recipe.model_copy(update={"seed": recipe.seed + 7, "prompt": "a burger"}) for recipe in wanted]
    ways: dict[str, Callable[[], Digests]] = {
        **{f"together, batches of {rows}": lambda rows=rows: digests(model, wanted, rows) for rows in ROWS},
        "in another order": lambda: digests(model, shuffled),
        "in other company": lambda: digests(model, [each for pair in zip(company, wanted, strict=True) for each in pair]),
        "in another process": lambda: elsewhere(2),
        "on 1 thread instead of 2": lambda: digests(load(threads=1), wanted),
        "on 3 threads": lambda: digests(load(threads=3), wanted),
    }
    figures: dict[str, object] = {}
    for name, way in ways.items():
        same = _same(expected, way())
        print(f"pictures {name}: {same} of {len(wanted)} equal to the last bit to the one drawn alone")
        figures[name] = {"equal": same, "of": len(wanted)}
    figures["model calls"] = _rows_of_calls(model)
    print(save("identity", figures))


def _same(expected: Mapping[str, str], found: Mapping[str, str]) -> int:
    return sum(found[key] == digest for key, digest in expected.items())


def _rows_of_calls(model: Any) -> dict[str, object]:
    """Random rows evaluated in random company, against each by itself: how many differ, and by how much at most."""
    from aldente.engine.levels import exploding

    rng = np.random.default_rng(0)
    words = [model.encode(((f"{colour} {thing}", 1.0),)) for colour in ("a red", "a blue") for thing in ("apple", "house", "")]
    differing, compared, furthest = 0, 0, 0.0
    for call in range(CALLS):
        rows = 1 + call % 16
        levels = [exploding(float(sigma)) for sigma in np.exp(rng.uniform(np.log(0.03), np.log(20.0), rows))]
        x = rng.standard_normal((rows, 4, 16, 16), dtype=np.float32) * np.float32([[[[level.sigma]]] for level in levels])
        prompts = [words[index] for index in rng.integers(len(words), size=rows)]
        together = model.estimate(x, levels, prompts)
        for row in range(rows):
            single = model.estimate(x[row : row + 1], levels[row : row + 1], prompts[row : row + 1])
            furthest = max(furthest, float(np.abs(single[0] - together[row]).max()))
            differing += not np.array_equal(single[0], together[row])
        compared += rows
    print(f"rows of {CALLS} model calls in batches of 1 to 16: {differing} of {compared} differ, by {furthest:.1g} at most")
    return {"rows": compared, "differing": differing, "largest_difference": furthest}
