"""Step caching: what is foretold, when, and how far off it may be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aldente.engine.denoise import Estimate, Query, answer, conditional
from aldente.engine.guidance import cfg, guided
from aldente.engine.levels import exploding, exploding_levels, flow_levels
from aldente.engine.noise import brownian
from aldente.engine.reuse import Reuse, reusing
from aldente.engine.samplers import find_sampler, prepare
from aldente.engine.trajectory import trajectory

LEVELS = exploding_levels([*np.geomspace(20.0, 0.05, 30), 0.0])
FLOW = flow_levels([*np.linspace(1.0, 0.02, 30), 0.0])
FREE = Reuse(threshold=1e9, start=0.0, end=1.0)


def gaussian(query):
    """The exact denoiser of a Gaussian around the condition, its spread .3 times the place."""
    spread = 0.09 * (1.0 + np.arange(query.x.size // query.x.shape[0]).reshape(query.x.shape[1:]))
    alpha, sigma = query.level
    variance = alpha**2 * spread + sigma**2
    return query.condition + alpha * spread / variance * (query.x - alpha * query.condition)


class Counting:
    """A model that notes the levels at which it is asked."""

    def __init__(self, model=gaussian):
        self.asked = []
        self._model = model

    def __call__(self, query):
        self.asked.append(query.level.sigma)
        return self._model(query)


def run(denoise, x, *, sampler="euler", levels=LEVELS, reuse=None, changes=(), model=gaussian, **options):
    """The end of a run and how often the model was asked."""
    counting, noise = Counting(model), brownian([5 + i for i in range(x.shape[0])], x)
    made = prepare(find_sampler(sampler), levels, noise, options)
    wrapped = denoise if reuse is None else reusing(denoise, reuse, made.levels, changes)
    end = answer(trajectory(made.sampler, wrapped, x, made.levels, noise, lift=made.lift), counting)
    return end, counting.asked


def start(picture, rows=1):
    return 20.0 * picture(3, (rows, 2, 3, 3))


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "heun", "dpmpp_2m_sde", "euler_ancestral"])
def test_nothing_changes_at_a_threshold_of_0(sampler, picture):
    denoise = conditional(1.0)
    assert reusing(denoise, Reuse(threshold=0.0), LEVELS) is denoise
    plain, asked = run(denoise, start(picture), sampler=sampler)
    tiny, still = run(denoise, start(picture), sampler=sampler, reuse=Reuse(threshold=1e-30))
    np.testing.assert_array_equal(plain, tiny)
    assert asked == still


@pytest.mark.parametrize("levels", [LEVELS, FLOW], ids=["exploding", "flow"])
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "heun"])
def test_calls_fall_with_the_threshold_and_the_error_with_them(sampler, levels, picture):
    x = start(picture) if levels is LEVELS else start(picture) / 20.0
    exact, all_ = run(conditional(1.0), x, sampler=sampler, levels=levels)
    calls, errors = [], []
    for threshold in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
        end, asked = run(conditional(1.0), x, sampler=sampler, levels=levels, reuse=Reuse(threshold=threshold))
        calls.append(len(asked))
        errors.append(np.abs(end - exact).mean() / np.abs(exact).mean())
        # What is foretold may be off by the threshold; a run weighs what it is told by no more than one in all.
        assert errors[-1] <= 2.0 * threshold
    assert calls == sorted(calls, reverse=True)
    assert calls[0] <= len(all_)
    assert calls[-1] < 0.7 * len(all_)
    assert errors[0] < 1e-4


def test_the_first_and_the_last_step_and_those_outside_the_bounds_are_asked(picture):
    _, asked = run(conditional(1.0), start(picture), reuse=FREE)
    sigmas = [level.sigma for level in LEVELS]
    assert asked == [*sigmas[:3], sigmas[29]]
    _, within = run(conditional(1.0), start(picture), reuse=Reuse(threshold=1e9, start=0.5, end=0.8))
    assert within == [*sigmas[:15], *sigmas[24:30]]


def test_a_straight_line_is_foretold_exactly(picture):
    line = picture(1, (1, 2, 3, 3)), picture(2, (1, 2, 3, 3))

    def straight(query):
        return line[0] + math.log(query.level.sigma) * line[1]

    exact, _ = run(conditional(1.0), start(picture), model=straight)
    end, asked = run(conditional(1.0), start(picture), model=straight, reuse=Reuse(threshold=1e-6, start=0.0, end=1.0))
    np.testing.assert_allclose(end, exact, atol=1e-10)
    assert len(asked) == 4


def test_nothing_is_foretold_across_a_change_of_what_is_asked(picture):
    sigmas = [level.sigma for level in LEVELS]
    change = sigmas[10]
    _, asked = run(conditional(1.0), start(picture), reuse=FREE, changes=(change,))
    assert asked == [*sigmas[:3], *sigmas[10:13], sigmas[29]]


def test_a_level_is_asked_about_again_where_x_is_another(picture):
    denoise = reusing(conditional(0.0), FREE, LEVELS)
    answers = []
    for index in (0, 1, 2, 3):
        answers.append(answer(denoise(start(picture), LEVELS[index]), gaussian).clean)
    counting = Counting()
    # Noise was put back: a level as noisy as the second, which three of lower noise cannot tell of.
    answer(denoise(start(picture), LEVELS[1]), counting)
    assert counting.asked == [LEVELS[1].sigma]


def test_prompt_and_negative_prompt_are_foretold_together(picture):
    denoise = guided(cfg(4.0), conditional(1.0), conditional(0.0))
    exact, all_ = run(denoise, start(picture))
    end, asked = run(denoise, start(picture), reuse=Reuse(threshold=0.02))
    assert asked[::2] == asked[1::2]
    assert len(asked) < len(all_)
    assert np.abs(end - exact).mean() < 2.0 * 0.02 * np.abs(exact).mean()


def test_the_unguided_estimate_is_foretold_as_well():
    def denoise(x, level):
        (clean,) = yield [Query(x, level, 0.0)]
        return Estimate(clean, 2.0 * clean)

    reused = reusing(denoise, FREE, LEVELS)
    x = np.ones((1, 1, 1, 1))

    def straight(query):
        return np.full((1, 1, 1, 1), 3.0 - math.log(query.level.sigma))

    for level in LEVELS[:5]:
        estimate = answer(reused(x, level), straight)
    assert float(estimate.clean.item()) == pytest.approx(3.0 - math.log(LEVELS[4].sigma))
    assert float(estimate.base.item()) == pytest.approx(2.0 * float(estimate.clean.item()))


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde"])
def test_each_image_of_a_batch_is_on_its_own(sampler, picture):
    both = start(picture, rows=2)
    both[1] *= 0.2
    reuse = Reuse(threshold=0.01)
    together, asked = run(conditional(1.0), both, sampler=sampler, reuse=reuse)

    def alone(row):
        counting, noise = Counting(), brownian([5 + row], both[row : row + 1])
        made = prepare(find_sampler(sampler), LEVELS, noise, {})
        denoise = reusing(conditional(1.0), reuse, made.levels)
        return answer(trajectory(made.sampler, denoise, both[row : row + 1], made.levels, noise), counting), counting.asked

    singles = [alone(row) for row in (0, 1)]
    np.testing.assert_array_equal(together, np.concatenate([end for end, _ in singles]))
    assert sorted(asked) == sorted(singles[0][1] + singles[1][1])


def test_a_level_of_noise_alone_is_no_point_of_a_line(picture):
    reused = reusing(conditional(1.0), FREE, FLOW)
    counting = Counting()
    for level in FLOW[:5]:
        answer(reused(start(picture) / 20.0, level), counting)
    assert counting.asked == [level.sigma for level in FLOW[:4]]


def test_every_array_library_foretells_alike(xp):
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    spread = exploding(20.0)

    def model(query):
        return query.x * (1.0 / (1.0 + query.level.sigma**2))

    def end(array):
        value = array(x * spread.sigma)
        denoise = reusing(conditional(None), Reuse(threshold=0.5, start=0.0, end=1.0), LEVELS)
        sampler = prepare(find_sampler("euler"), LEVELS, unused, {}).sampler
        return answer(trajectory(sampler, denoise, value, LEVELS, unused), model)

    np.testing.assert_allclose(xp.numpy(end(xp.array)), end(np.array), rtol=1e-12)


def unused(sigma, sigma_next):
    raise AssertionError("no noise was to be asked for")
