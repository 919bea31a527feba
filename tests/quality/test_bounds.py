"""Confidence bounds hold as often as they say, whatever the order of the instances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.quality.bounds import MANY, loss_bounds, mean_bounds


def held(draw, bounds, truth, prompts, *, alpha=0.05, runs=400):
    """The share of simulated studies whose upper, and lower, bound holds."""
    rng = np.random.default_rng(11)
    high = low = 0
    for _ in range(runs):
        values, clusters = draw(rng, prompts)
        found = bounds(values, clusters, alpha=alpha, rng=rng)
        high += found.high >= truth
        low += found.low <= truth
    return high / runs, low / runs


def log_normal_losses(rng, prompts):
    """Two seeds a prompt, spread .5 between prompts and .3 within: what pastina shows; the mean is 1."""
    between = np.exp(0.5 * rng.normal(size=prompts) - 0.125)
    within = np.exp(0.3 * rng.normal(size=(2, prompts)) - 0.045)
    return (between * within).ravel(), list(range(prompts)) * 2


def differences(rng, prompts):
    """Signed differences with as much spread between prompts as within; the mean is .3."""
    return (0.3 + rng.normal(size=prompts) + rng.normal(size=(2, prompts))).ravel(), list(range(prompts)) * 2


@pytest.mark.parametrize("prompts", [3, 8, 24])
def test_loss_bounds_hold_about_as_often_as_they_say(prompts):
    high, low = held(log_normal_losses, loss_bounds, 1.0, prompts)
    assert high >= 0.90
    assert low >= 0.93


@pytest.mark.parametrize("prompts", [3, 8, 24])
def test_difference_bounds_hold_about_as_often_as_they_say(prompts):
    high, low = held(differences, mean_bounds, 0.3, prompts)
    assert high >= 0.92
    assert low >= 0.92


def test_treating_seeds_as_independent_would_fail():
    """The reason for clusters: with every picture its own cluster, the same data is believed too much."""
    rng = np.random.default_rng(2)
    misses = 0
    for _ in range(400):
        prompt = np.repeat(rng.normal(size=6), 8)
        values = prompt + 0.1 * rng.normal(size=48)
        misses += mean_bounds(values, range(48), alpha=0.05, rng=rng).high < 0
    assert misses / 400 > 0.15


def test_the_method_is_named():
    rng = np.random.default_rng(0)
    assert loss_bounds([1.0, 2.0, 3.0], "abc", alpha=0.05, rng=rng).method == "log-normal"
    assert loss_bounds([0.0, 2.0, 3.0], "abc", alpha=0.05, rng=rng).method == "student"
    assert mean_bounds(np.arange(MANY) * 1.0, range(MANY), alpha=0.05, rng=rng).method == "bca"
    alone = loss_bounds([1.0, 2.0], "aa", alpha=0.05, rng=rng)
    assert (alone.mean, alone.low, alone.high, alone.method) == (1.5, None, None, "none")
    with pytest.raises(ValueError, match="at least one"):
        mean_bounds([], [], alpha=0.05, rng=rng)


def test_equal_values_have_no_doubt():
    found = mean_bounds([2.5] * 30, range(30), alpha=0.05, rng=np.random.default_rng(0))
    assert (found.low, found.high) == (2.5, 2.5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 50), st.integers(0, 5)), min_size=4, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_instances_changes_nothing(pairs, shuffler):
    shuffled = list(pairs)
    shuffler.shuffle(shuffled)
    found = [
        loss_bounds([v for v, _ in some], [c for _, c in some], alpha=0.05, rng=np.random.default_rng(4))
        for some in (pairs, shuffled)
    ]
    assert found[0] == found[1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.01, 50), min_size=2, max_size=30))
def test_the_mean_lies_between_its_bounds_and_less_doubt_is_asked_for_wider_ones(values):
    names = range(len(values))
    sure = loss_bounds(values, names, alpha=0.01, rng=np.random.default_rng(4))
    rough = loss_bounds(values, names, alpha=0.2, rng=np.random.default_rng(4))
    assert sure.low <= sure.mean * (1 + 1e-9)
    assert sure.mean <= sure.high * (1 + 1e-9)
    assert sure.high >= rough.high * (1 - 1e-9)
