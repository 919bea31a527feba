"""Shortest paths: the least sum of all, by the errors of the solver itself."""

import itertools
import math

import numpy as np
import pytest

from aldente.engine.denoise import answer, conditional
from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.engine.samplers import find_sampler, samplers
from aldente.engine.trajectory import trajectory
from aldente.tuning.learning.shortest import LocalErrors, Teacher, can_be_walked, local_errors, shortest_paths

SPREAD = np.linspace(0.2, 2.0, 8)


def estimate(x, level):
    """The exact estimate where each number is normal around 1 with its own deviation."""
    return 1.0 + SPREAD**2 / (SPREAD**2 + level.sigma**2) * (x - 1.0)


def exact(x, level, target):
    """Where the exact flow takes ``x``."""
    return 1.0 + (x - 1.0) * np.sqrt((SPREAD**2 + target.sigma**2) / (SPREAD**2 + level.sigma**2))


def teacher(count=12):
    levels = tuple(exploding(float(sigma)) for sigma in np.geomspace(14.0, 0.05, count))
    start = 14.0 * np.random.default_rng(2).normal(size=(3, 8))
    latents = tuple(exact(start, levels[0], level) for level in levels)
    return Teacher(
        levels=levels,
        latents=latents,
        estimates=tuple(estimate(x, level) for x, level in zip(latents, levels, strict=True)),
        ends=exact(start, levels[0], exploding(0.0)),
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_path_is_shorter(seed):
    draw, count = np.random.default_rng(seed), 7
    errors = LocalErrors(
        first=np.where(np.arange(count) > 0, draw.random(count), np.inf),
        steps=np.where(
            (np.arange(count)[:, None, None] < np.arange(count)[None, :, None])
            & (np.arange(count)[None, :, None] < np.arange(count)[None, None, :]),
            draw.random((count, count, count)),
            np.inf,
        ),
        last=draw.random(count),
    )

    def length(path):
        steps = sum(errors.steps[i, j, k] for i, j, k in zip(path, path[1:], path[2:], strict=False))
        return errors.first[path[1]] + steps + errors.last[path[-1]]

    found = shortest_paths(errors, 7)
    assert sorted(found) == [2, 3, 4, 5, 6, 7]
    for steps, path in found.items():
        every = [(0, *rest) for rest in itertools.combinations(range(1, count), steps - 1)]
        assert len(path) == steps
        assert length(path) == pytest.approx(min(length(other) for other in every))


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m", "uni_pc", "lms", "deis"])
def test_the_error_of_a_step_is_that_of_the_sampler(name):
    taught, info = teacher(), find_sampler(name)
    errors = local_errors(info, taught)
    levels = (taught.levels[0], taught.levels[4])
    run = trajectory(info.build(), conditional("any"), taught.latents[0], levels, lambda a, b: pytest.fail("noise"))
    reached = answer(run, lambda query: estimate(query.x, query.level))
    missed = np.sqrt(((reached - taught.latents[4]) ** 2).mean(axis=1)).mean() / math.hypot(1.0, levels[1].sigma)
    assert errors.first[4] == pytest.approx(missed)
    assert errors.last[11] == pytest.approx(np.sqrt(((taught.estimates[11] - taught.ends) ** 2).mean(axis=1)).mean())
    assert np.isinf(errors.steps[4, 4, 5])
    assert np.isinf(errors.steps[3, 2, 5])


def test_a_multistep_sampler_errs_less_than_euler_on_the_same_small_step():
    euler, multistep = (local_errors(find_sampler(name), teacher(40)) for name in ("euler", "dpmpp_2m"))
    small = [(i, i + 1, i + 2) for i in range(37)]
    assert all(multistep.steps[step] < 0.5 * euler.steps[step] for step in small)
    np.testing.assert_allclose(multistep.first[1:], euler.first[1:])


def test_a_shortest_path_is_a_far_better_schedule_than_one_even_in_sigma():
    # Ten times finer than the path, so that it has a choice.
    taught, info = teacher(60), find_sampler("dpmpp_2m")
    start, end = taught.latents[0], taught.ends

    def loss(levels):
        run = trajectory(info.build(), conditional("any"), start, (*levels, exploding(0.0)), lambda a, b: pytest.fail("noise"))
        return float(np.abs(answer(run, lambda query: estimate(query.x, query.level)) - end).mean())

    path = shortest_paths(local_errors(info, taught), 8)[6]
    even = [exploding(float(sigma)) for sigma in np.linspace(14.0, 0.05, 6)]
    assert path[0] == 0
    assert loss([taught.levels[place] for place in path]) < 0.3 * loss(even)


def test_samplers_that_ask_between_their_levels_are_refused():
    assert can_be_walked(find_sampler("uni_pc"))
    for name in ("heun", "dpm_2", "euler_ancestral", "dpm_adaptive", "euler_cfg_pp"):
        with pytest.raises(UserError, match=f"sampler '{name}' asks the model between its levels"):
            local_errors(find_sampler(name), teacher())


def test_every_sampler_that_can_be_walked_is():
    for info in samplers():
        if can_be_walked(info):
            assert np.isfinite(local_errors(info, teacher(5)).steps[0, 1, 2]), info.name
