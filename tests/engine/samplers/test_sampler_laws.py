"""What holds for every sampler, whatever its method."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from array_api_compat import array_namespace
from sampling_oracles import pointwise, run, silent

from aldente.engine.denoise import conditional, together
from aldente.engine.errors import UserError
from aldente.engine.levels import exploding, flow
from aldente.engine.samplers import find_sampler, prepare, samplers
from aldente.engine.trajectory import Move, trajectory

SHAPE = (3, 2, 2, 3)
X = np.random.default_rng(8).normal(size=SHAPE)
SIGMAS = {
    "exploding": (14.6, 5.1, 2.0, 0.9, 0.35, 0.08, 0.0),
    "flow": (1.0, 0.9, 0.7, 0.45, 0.2, 0.05, 0.0),
}
FAMILY = {"exploding": exploding, "flow": flow}
FAMILIES = pytest.mark.parametrize("family", FAMILY)
EVERY = pytest.mark.parametrize("info", samplers(), ids=lambda info: info.name)
STOCHASTIC_OPTIONS = ("eta", "tau")


def levels_of(family, sigmas=None):
    return tuple(FAMILY[family](sigma) for sigma in sigmas or SIGMAS[family])


def noise_like(x, rows=slice(None)):
    """Unit noise in the library of ``x``; each image's is its own, whoever is beside it."""
    xp = array_namespace(x)
    phases = np.arange(X.size, dtype=np.float64).reshape(SHAPE)[rows]

    def noise(sigma, sigma_next):
        fresh = xp.asarray(np.sin(phases + 3.0 * sigma + 5.0 * sigma_next))
        return xp.astype(fresh, x.dtype)

    return noise


def job(info, x, levels, *, rows=slice(None), noise=None, **options):
    """The run of ``info`` from the unit noise ``x``; noise strong enough to matter unless options say otherwise."""
    noise = noise or noise_like(x, rows)
    ready = prepare(info, levels, noise, options)
    start = ready.levels[0].sigma * x
    return trajectory(ready.sampler, conditional("any"), start, ready.levels, noise, lift=ready.lift)


def churned(info):
    return {"s_churn": 2.0} if info.churns else {}


@FAMILIES
@EVERY
def test_all_array_libraries_give_the_same_latents(info, family, xp):
    levels = levels_of(family)

    def frozen(x, level):
        clean = pointwise(x, level)
        if xp.name == "numpy-readonly":
            clean.setflags(write=False)
        return clean

    x = xp.array(X)
    ended = run(job(info, x, levels, **churned(info)), frozen)
    expected = run(job(info, X, levels, **churned(info)), pointwise)
    np.testing.assert_allclose(xp.numpy(ended), expected, rtol=0, atol=1e-12)
    assert np.array_equal(xp.numpy(x), X)


@EVERY
def test_single_precision_stays_single(info, xp):
    ended = run(job(info, xp.array(X.astype(np.float32)), levels_of("exploding"), **churned(info)), pointwise)
    assert xp.numpy(ended).dtype == np.float32


@FAMILIES
@EVERY
def test_a_batch_is_its_images_to_the_last_bit(info, family):
    levels = levels_of(family)
    batch = run(job(info, X, levels, **churned(info)), pointwise)
    for row in range(SHAPE[0]):
        rows = slice(row, row + 1)
        assert np.array_equal(batch[rows], run(job(info, X[rows], levels, rows=rows, **churned(info)), pointwise))


@FAMILIES
@EVERY
def test_one_sampler_serves_two_runs_in_turn(info, family):
    levels = levels_of(family)
    sampler, levels, _ = prepare(info, levels, silent, {})
    noise = noise_like(X)
    runs = [lambda x=x: trajectory(sampler, conditional("any"), x, levels, noise) for x in (X, 0.5 + X[::-1])]
    side_by_side = run(together([start() for start in runs]), pointwise)
    for start, ended in zip(runs, side_by_side, strict=True):
        assert np.array_equal(ended, run(start(), pointwise))


@FAMILIES
@EVERY
def test_runs_of_one_two_and_three_steps_end_near_the_data(info, family):
    full = levels_of(family)
    for steps, eta in product((1, 2, 3), (0.0, 1.0, 1.6)):
        options = {name: eta for name in STOCHASTIC_OPTIONS if name in info.options} | churned(info)
        levels = (full[0], *full[3:][: steps - 1])
        ended = run(job(info, X, (*levels, full[-1]), **options), pointwise)
        # The data are 1 and -1 with deviation 0.5; one giant step may well overshoot before the last denoising.
        assert np.abs(ended).max() < 12.0
        # Without that denoising, second-order steps as wide as this leave the data, but never the numbers.
        ended = run(job(info, X, (*levels, full[-2]), **options), pointwise)
        assert np.all(np.isfinite(ended))


@FAMILIES
@EVERY
def test_no_noise_is_drawn_where_none_is_added(info, family):
    levels = levels_of(family)
    if info.stochastic and info.name != "lcm":
        run(job(info, X, levels, noise=silent, s_noise=0.0), pointwise)
    if any(name in info.options for name in STOCHASTIC_OPTIONS):
        options = {name: 0.0 for name in STOCHASTIC_OPTIONS if name in info.options}
        run(job(info, X, levels, noise=silent, **options), pointwise)
    if not info.stochastic:
        run(job(info, X, levels, noise=silent), pointwise)
        assert not info.churns or run(job(info, X, levels, s_churn=0.0, noise=silent), pointwise) is not None


@EVERY
def test_the_table_says_whether_a_sampler_is_stochastic(info):
    asked = []

    def noise(sigma, sigma_next):
        asked.append((sigma, sigma_next))
        return np.ones(SHAPE)

    run(job(info, X, levels_of("exploding"), noise=noise), pointwise)
    assert bool(asked) is info.stochastic
    assert all(sigma > sigma_next > 0.0 for sigma, sigma_next in asked)


@EVERY
def test_the_table_says_how_often_a_sampler_asks_and_whether_it_remembers(info):
    if info.whole:
        return
    sampler, level, target = info.build(), exploding(3.0), exploding(2.0)
    asked = []

    def estimate(x, at):
        asked.append(at)
        return pointwise(x, at)

    _, memory = run(sampler.step(conditional("any"), X, Move(level, target, 0, 2), None, noise_like(X)), estimate)
    assert len(asked) == info.calls_per_step
    assert asked[0] == level
    assert (memory is not None) is info.multistep


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 8, 12])
@FAMILIES
def test_dpm_fast_asks_as_often_as_it_is_told(family, calls):
    asked = []

    def estimate(x, level):
        asked.append(level)
        return pointwise(x, level)

    run(job(find_sampler("dpm_fast"), X, levels_of(family)[:-1], calls=calls), estimate)
    assert len(asked) == calls
    asked.clear()
    run(job(find_sampler("dpm_fast"), X, levels_of(family)), estimate)
    assert len(asked) == len(SIGMAS[family]) - 1


@pytest.mark.parametrize("sampler", ["dpm_fast", "dpm_adaptive", "dpmpp_2m_adaptive"])
def test_a_whole_run_between_two_levels_beyond_the_edge_is_one_euler_step(sampler):
    levels = (flow(1.0), flow(0.9995))
    expected = run(job(find_sampler("euler"), X, levels), pointwise)
    np.testing.assert_allclose(run(job(find_sampler(sampler), X, levels), pointwise), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("sampler", ["dpm_adaptive", "dpmpp_2m_adaptive"])
def test_an_adaptive_sampler_gives_each_image_its_own_steps(sampler):
    # Two images that need different steps: a shared error norm would let one change the other.
    x = np.concatenate([X[:1], 0.01 * X[1:2]])
    info, levels = find_sampler(sampler), levels_of("exploding")
    asked = []

    def estimate(batch, level):
        asked.append((batch.shape[0], level))
        return pointwise(batch, level)

    both = run(job(info, x, levels[:-1], rows=slice(0, 2)), estimate)
    assert {rows for rows, _ in asked} == {1}
    for row in range(2):
        assert np.array_equal(both[row : row + 1], run(job(info, x[row : row + 1], levels[:-1]), pointwise))


@FAMILIES
def test_dpmpp_2m_adaptive_is_dpmpp_2m_on_the_levels_it_chose(family):
    asked = []

    def estimate(x, level):
        asked.append(level)
        return pointwise(x, level)

    levels = levels_of(family, (0.95, 0.9, 0.7, 0.45, 0.2, 0.05))
    ended = run(job(find_sampler("dpmpp_2m_adaptive"), X[:1], levels, rows=slice(0, 1), rtol=0.01), estimate)
    assert len(asked) > 3
    again = run(job(find_sampler("dpmpp_2m"), X[:1], (*asked, levels[-1]), rows=slice(0, 1)), pointwise)
    np.testing.assert_allclose(ended, again, rtol=0, atol=1e-12)


def test_a_smaller_tolerance_takes_more_steps_and_comes_nearer():
    levels = levels_of("exploding")[:-1]
    exact = run(job(find_sampler("dpmpp_2m_adaptive"), X, levels, rtol=1e-4), pointwise)
    found = []
    for rtol in (0.5, 0.1, 0.02):
        asked = []

        def estimate(x, level, asked=asked):
            asked.append(level)
            return pointwise(x, level)

        ended = run(job(find_sampler("dpmpp_2m_adaptive"), X, levels, rtol=rtol), estimate)
        found.append((len(asked), float(np.abs(ended - exact).max())))
    (few, far), (more, nearer), (most, nearest) = found
    assert few < more < most
    assert far > nearer > nearest


@pytest.mark.parametrize("rtol", [0.0, -0.1])
def test_a_tolerance_of_nothing_is_refused(rtol):
    with pytest.raises(UserError, match=r"rtol is .*; it must be greater than 0"):
        find_sampler("dpmpp_2m_adaptive").build(rtol=rtol)
