"""Step noise from a Brownian path: the path's law, and its independence of how it is asked."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.noise import brownian
from aldente.engine.noise.path import FLOOR, path

LEVELS = st.floats(0.01, 100.0)


@given(st.integers(0, 2**64 - 1), st.lists(LEVELS, min_size=1, max_size=6))
def test_a_level_has_one_value_whatever_was_asked_before(seed: int, levels: list[float]) -> None:
    asked = path(seed, 8)
    forwards = [asked(level) for level in levels]
    backwards = [asked(level) for level in reversed(levels)]
    fresh = [path(seed, 8)(level) for level in levels]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    np.testing.assert_array_equal(forwards, fresh)


@given(st.lists(LEVELS, min_size=3, max_size=3, unique=True))
def test_the_noise_of_a_step_is_that_of_its_parts_added_up(levels: list[float]) -> None:
    a, b, c = sorted(levels, reverse=True)
    noise = brownian([1], np.zeros((1, 2, 3, 3)))
    parts = noise(a, b) * math.sqrt(a - b) + noise(b, c) * math.sqrt(b - c)
    np.testing.assert_allclose(noise(a, c) * math.sqrt(a - c), parts, atol=1e-12)


def test_the_noise_turns_its_sign_with_the_direction() -> None:
    noise = brownian([1], np.zeros((1, 2, 3, 3)))
    np.testing.assert_array_equal(noise(3.0, 2.0), -noise(2.0, 3.0))


@pytest.mark.parametrize(
    "levels",
    [
        [14.6, 9.1, 5.5, 3.2, 1.75, 0.91, 0.45, 0.2, 0.082, 0.029],
        [2.0, 1.0, 0.5, 0.25],
        [1.5, 1.4999, 1.4998, 1.4, 1.25],
        [1.0 + 1e-5, 1.0 + 4e-6, 1.0, 1.0 - 1e-6],
        [40.0, 0.001, FLOOR],
    ],
)
def test_increments_are_independent_and_as_spread_as_their_length(levels: list[float]) -> None:
    count = 20_000
    value = path(5, count)
    values = [value(level) for level in levels]
    unit = [(values[i] - values[i + 1]) / math.sqrt(levels[i] - levels[i + 1]) for i in range(len(levels) - 1)]
    covariance = np.cov(unit)
    np.testing.assert_allclose(covariance, np.eye(len(unit)), atol=5 * math.sqrt(2.0 / count))
    assert np.abs(np.mean(unit, axis=1)).max() < 5 / math.sqrt(count)


def test_two_levels_in_one_leaf_still_lie_close() -> None:
    value = path(5, 20_000)
    low, high = 1.5, 1.5 * (1 + 1e-8)
    assert np.std(value(high) - value(low)) < 3 * math.sqrt(1e-6)


def test_below_the_floor_the_path_stands_still() -> None:
    value = path(5, 100)
    np.testing.assert_array_equal(value(0.0), value(FLOOR / 2))
    assert np.std(value(FLOOR) - value(0.0)) == 0.0
    assert np.std(value(1e-4) - value(0.0)) == pytest.approx(0.01, rel=0.3)


def test_coarse_and_fine_steps_follow_the_same_path() -> None:
    noise = brownian([9], np.zeros((1, 4, 16, 16)))
    fine = np.geomspace(14.6, 0.03, 81)
    steps = [noise(a, b) * math.sqrt(a - b) for a, b in pairwise(fine)]
    for first, last in ((0, 80), (16, 48), (70, 80)):
        expected = noise(fine[first], fine[last]) * math.sqrt(fine[first] - fine[last])
        np.testing.assert_allclose(sum(steps[first:last]), expected, atol=1e-12)


def test_one_image_has_the_same_path_alone_and_in_any_batch(xp) -> None:
    like = xp.array(np.zeros((3, 4, 8, 8), dtype=np.float32))
    batch = brownian([3, 7, 5], like)(3.0, 2.0)
    alone = brownian([7], like[:1, ...])(3.0, 2.0)
    assert batch.dtype == like.dtype
    np.testing.assert_array_equal(xp.numpy(alone)[0], xp.numpy(batch)[1])


def test_large_latents_hold_the_noise_of_their_seed_too() -> None:
    value = path(1, 70_000)(3.3) - path(1, 70_000)(2.2)
    assert np.std(value) == pytest.approx(math.sqrt(1.1), rel=0.02)


def test_purposes_have_paths_of_their_own() -> None:
    step, churn = (path(1, 10_000, purpose=purpose)(3.3) for purpose in ("step", "churn"))
    assert abs(np.corrcoef(step, churn)[0, 1]) < 0.05
