"""The same recipe is the same picture to the last bit: alone, in any batch, order and company, and in another process."""

import hashlib
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from aldente.models import pastina
from aldente.models.port import Model
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.render.batching import Limits
from aldente.render.render import render

RECIPES = [
    Recipe(
        prompt=prompt,
        seed=seed,
        width=width,
        sampling=Sampling(sampler=sampler, schedule="karras", steps=steps, guidance=Guidance(scale=scale)),
    )
    for seed, (sampler, steps, scale, prompt, width) in enumerate(
        [
            ("euler", 3, 7.0, "a red apple, 3d render", 64),
            ("dpmpp_2m", 5, 4.0, "a house", 64),
            ("dpmpp_2m_sde", 4, 7.0, "a cat and (a dog:1.3)", 64),
            ("euler_ancestral", 5, 11.0, "an [owl:eagle:0.5]", 64),
            ("heun", 3, 1.0, "a bicycle", 80),
        ]
    )
]

IN_ANOTHER_PROCESS = """
import json, sys
from aldente.models import pastina
from aldente.recipe.recipe import Recipe
from test_identity import digests
print(json.dumps(digests(pastina.load(threads=1), [Recipe.model_validate(told) for told in json.load(sys.stdin)])))
"""


def digests(model: Model, recipes: list[Recipe], rows: int = 16) -> dict[str, str]:
    """The SHA-256 of latent and picture of every recipe, drawn in batches of at most ``rows``."""
    made = {}
    for rendered in render(recipes, model, clock=time.perf_counter, limits=Limits(rows=rows)):
        assert rendered.error is None
        bits = np.ascontiguousarray(rendered.latent).tobytes() + rendered.image.tobytes()
        made[rendered.recipe.digest()] = hashlib.sha256(bits).hexdigest()
    return made


@pytest.fixture(scope="module")
def model() -> Model:
    return pastina.load(threads=2)


@pytest.fixture(scope="module")
def alone(model) -> dict[str, str]:
    return {key: digest for recipe in RECIPES for key, digest in digests(model, [recipe], rows=1).items()}


def test_different_recipes_are_different_pictures(alone):
    assert len(set(alone.values())) == len(RECIPES)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 16])
def test_the_size_of_batches_makes_no_difference(model, alone, rows):
    assert digests(model, RECIPES, rows) == alone


def test_order_and_company_make_no_difference(model, alone):
    strangers = [recipe.model_copy(update={"seed": recipe.seed + 50, "prompt": "a burger"}) for recipe in RECIPES]
    mixed = [RECIPES[3], strangers[0], RECIPES[0], *strangers[1:], RECIPES[4], RECIPES[2], RECIPES[1]]
    found = digests(model, mixed)
    assert {key: found[key] for key in alone} == alone


def test_another_process_on_one_thread_makes_no_difference(alone, request):
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS],
        input=json.dumps([recipe.model_dump(mode="json") for recipe in reversed(RECIPES)]),
        capture_output=True,
        text=True,
        check=True,
        cwd=request.path.parent,
    )
    assert json.loads(done.stdout) == alone
