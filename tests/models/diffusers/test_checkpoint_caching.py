"""Step caching on checkpoints: U-Nets and transformers, by rows and in mixed batches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aldente.models.diffusers import Plan, load
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.render import render


def drawn(model, *thresholds, **settings):
    said = {"prompt": "a red apple", "steps": 16, "sampler": "euler", "size": "64x64", **settings}
    recipes = [set_parameters(Recipe(), {**said, "reuse_threshold": threshold}) for threshold in thresholds]
    made = {one.recipe.sampling.reuse_threshold: one for one in render(recipes, model, clock=itertools.count().__next__)}
    for one in made.values():
        if one.error is not None:
            raise one.error
    return [made[threshold] for threshold in thresholds]


@pytest.mark.parametrize(("kind", "schedule"), [("sd1", "karras"), ("sdxl", "karras"), ("sd3", "flow"), ("flux-dev", "flow")])
def test_rows_that_are_foretold_and_rows_that_are_asked_share_a_batch(kind, schedule, tiny):
    model = load(tiny(kind), plan=Plan())
    told = {"schedule": schedule, "cfg": 1.0 if kind == "flux-dev" else 4.0}
    plain, off, some, all_ = drawn(model, None, 0.0, 0.1, 3.0, **told)
    np.testing.assert_array_equal(plain.latent, off.latent)
    assert all_.usage.asked < some.usage.asked <= plain.usage.asked
    (alone,) = drawn(model, 0.1, **told)
    assert alone.usage.asked == some.usage.asked
    np.testing.assert_allclose(alone.latent, some.latent, atol=2e-3 * np.abs(alone.latent).max())
