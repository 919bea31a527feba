"""Churn, and how stochastic steps are split: the marginal noise is right on every family of levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling_oracles import pointwise, run, silent

from aldente.engine.churn import Churn
from aldente.engine.denoise import conditional
from aldente.engine.levels import Level, exploding, flow
from aldente.engine.samplers.euler import Euler
from aldente.engine.trajectory import Move, trajectory
from aldente.engine.transfer import Split, ancestral, posterior, renoise, slope, transfer

X = np.random.default_rng(2).normal(size=(1, 1, 2, 2))


def ones(sigma, sigma_next):
    return np.ones_like(X)


def move(level, target=None, steps=10):
    return Move(level, target or level, 0, steps)


def test_churn_lifts_the_level_and_adds_what_is_missing():
    x, level = Churn(noise=ones, s_churn=2.0, s_noise=1.5)(X, move(exploding(3.0)))
    assert level == exploding(3.0 * 1.2)
    np.testing.assert_allclose(x, X + 1.5 * math.sqrt(3.6**2 - 9.0), rtol=1e-14)


def test_churn_never_lifts_by_more_than_the_square_root_of_two():
    _, level = Churn(noise=ones, s_churn=1e9)(X, move(exploding(3.0)))
    assert level.sigma == pytest.approx(3.0 * math.sqrt(2.0))


@pytest.mark.parametrize("sigma", [0.9, 5.1])
def test_churn_leaves_levels_out_of_its_range_alone(sigma):
    churn = Churn(noise=silent, s_churn=5.0, s_tmin=1.0, s_tmax=5.0)
    assert churn(X, move(exploding(sigma))) == (X, exploding(sigma))


@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_the_ends_of_its_range_belong_to_it(sigma):
    churn = Churn(noise=ones, s_churn=5.0, s_tmin=1.0, s_tmax=5.0)
    assert churn(X, move(exploding(sigma)))[1].sigma > sigma


@given(sigma=st.floats(0.01, 0.99), s_churn=st.floats(0.01, 5.0))
def test_churn_on_flow_levels_stays_on_flow_levels(sigma, s_churn):
    level = flow(sigma)
    x, lifted = Churn(noise=ones, s_churn=s_churn)(np.zeros_like(X), move(level))
    assert lifted == flow(lifted.sigma)
    assert sigma < lifted.sigma <= 1.0
    scale = lifted.alpha / level.alpha
    assert float(x[0, 0, 0, 0]) ** 2 + (scale * sigma) ** 2 == pytest.approx(lifted.sigma**2)


def test_pure_noise_cannot_be_lifted():
    assert Churn(noise=silent, s_churn=5.0)(X, move(flow(1.0))) == (X, flow(1.0))


def test_the_model_is_asked_at_the_lifted_level_on_the_last_step_too():
    asked = []

    def estimate(x, level):
        asked.append(level.sigma)
        return pointwise(x, level)

    levels = tuple(map(exploding, (2.0, 1.0, 0.0)))
    run(trajectory(Euler(), conditional("any"), X, levels, silent, lift=Churn(noise=ones, s_churn=0.2)), estimate)
    assert asked == [pytest.approx(2.2), pytest.approx(1.1)]


FLOWS = st.tuples(st.floats(0.02, 1.0), st.floats(0.01, 0.98)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)


@given(pair=FLOWS, eta=st.floats(0.0, 3.0))
def test_the_ancestral_split_restores_the_target_on_flow_levels(pair, eta):
    level, target = flow(pair[1]), flow(pair[0])
    split = ancestral(level, target, eta)
    assert split.scale * split.down.alpha == pytest.approx(target.alpha)
    assert math.hypot(split.scale * split.down.sigma, split.up) == pytest.approx(target.sigma)
    assert split.down.sigma <= target.sigma


@given(pair=FLOWS, eta=st.floats(0.0, 3.0), family=st.sampled_from([exploding, flow]))
def test_the_posterior_split_restores_the_target_on_all_levels(pair, eta, family):
    level, target = family(pair[1]), family(pair[0])
    split = posterior(level, target, eta)
    assert (split.scale, split.down.alpha) == (1.0, target.alpha)
    assert math.hypot(split.down.sigma, split.up) == pytest.approx(target.sigma)


def test_the_ancestral_split_is_the_known_one():
    up = 0.8 * math.sqrt(1.0 - 0.25) * 1.0
    assert ancestral(exploding(2.0), exploding(1.0), 0.8) == Split(
        exploding(pytest.approx(math.sqrt(1 - up**2))), 1.0, pytest.approx(up)
    )
    split = ancestral(flow(0.8), flow(0.4), 1.0)
    assert split.down == pytest.approx(flow(0.2))
    assert split.scale == pytest.approx(0.6 / 0.8)
    assert split.up == pytest.approx(math.sqrt(0.16 - (0.2 * 0.75) ** 2))


def test_a_step_from_pure_noise_under_full_eta_keeps_nothing_of_it():
    split = posterior(flow(1.0), flow(0.7), 1.0)
    assert split == Split(Level(1.0 - 0.7, 0.0), 1.0, 0.7)
    down = transfer(X, flow(1.0), split.down, np.full_like(X, 2.0))
    np.testing.assert_allclose(renoise(down, split, move(flow(1.0), flow(0.7)), 1.0, ones), 2.0 * 0.3 + 0.7, rtol=1e-14)


@pytest.mark.parametrize("family", [exploding, flow])
def test_the_slope_is_that_of_the_first_order_step(family):
    level, target, clean = family(0.6), family(0.35), np.tanh(X)
    np.testing.assert_allclose(transfer(X, level, target, clean), X + (0.35 - 0.6) * slope(X, level, clean), rtol=1e-13)
