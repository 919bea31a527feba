"""What a strength leaves of a schedule, by every rule, in numbers that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering import Analytic, draw, kept, picture, small

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Sampling
from aldente.render.cost import calls_of
from aldente.render.levels import levels_of
from aldente.render.strength import levels_from, share_of

INFO = Analytic(family="exploding").info
SAMPLING = Sampling(steps=20)
FULL = levels_of(SAMPLING, INFO)


@pytest.mark.parametrize(
    ("rule", "strength", "steps", "calls", "total"),
    [
        ("sigma", 0.75, 20, 15, 20), ("sigma", 0.76, 20, 16, 20), ("sigma", 0.001, 20, 1, 20), ("sigma", 1.0, 20, 20, 20),
        ("a1111", 0.75, 20, 16, 20), ("a1111", 0.2, 20, 5, 20), ("a1111", 1.0, 20, 20, 20), ("a1111", 0.01, 20, 1, 20),
        ("a1111_exact", 0.75, 20, 20, 26), ("a1111_exact", 0.1, 20, 20, 200), ("a1111_exact", 1.0, 20, 20, 20),
        ("comfyui", 0.75, 20, 20, 26), ("comfyui", 0.3, 20, 20, 66), ("comfyui", 1.0, 20, 20, 20),
        ("diffusers", 0.75, 20, 15, 20), ("diffusers", 0.76, 20, 15, 20), ("diffusers", 1.0, 20, 20, 20),
    ],
)  # fmt: skip
def test_the_rules_count_as_their_programs_do(rule, strength, steps, calls, total):
    share = share_of(strength, steps, rule)
    assert (share.steps, share.total) == (calls, total)
    levels = levels_from(SAMPLING.model_copy(update={"steps": steps}), INFO, strength, rule)
    assert len(levels) == calls + 1
    model = Analytic(family="exploding")
    recipe = small(image=kept(picture()), denoise=strength, denoise_rule=rule, steps=steps, sampler="euler", cfg=1.0)
    assert draw(recipe, model).usage.asked == calls == calls_of(recipe, model)[0].calls


def test_diffusers_rule_that_leaves_nothing_says_so():
    with pytest.raises(UserError, match=r"a strength of 0.04 leaves none of 20 steps under the rule 'diffusers'"):
        share_of(0.04, 20, "diffusers")


@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_our_whole_strength_is_the_whole_schedule(steps):
    sampling = SAMPLING.model_copy(update={"steps": steps})
    assert levels_from(sampling, INFO, 1.0, "sigma") == levels_of(sampling, INFO)


def test_our_strength_that_is_a_whole_number_of_steps_is_the_schedules_end():
    assert levels_from(SAMPLING, INFO, 0.35, "sigma") == FULL[-8:]


@given(st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_more_strength_begins_with_more_noise(one, other):
    less, more = (levels_from(SAMPLING, INFO, s, "sigma") for s in sorted((one, other)))
    assert less[0].sigma <= more[0].sigma
    for levels in (less, more):
        sigmas = [level.sigma for level in levels]
        assert sigmas[-1] == 0.0
        assert all(np.diff(sigmas) < 0)


@given(st.floats(0.01, 0.999), st.sampled_from(["exploding", "flow"]))
def test_our_strength_begins_without_jumps(strength, family):
    info = Analytic(family=family).info
    near, at = (levels_from(SAMPLING, info, s, "sigma")[0].sigma for s in (strength * (1 - 1e-7), strength))
    assert near == pytest.approx(at, rel=1e-4)
