"""Noise is normal, and a function of seed, purpose and place alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding, flow
from aldente.engine.noise import find_rng, in_order, independent, initial, keyed, normal, rngs, started
from aldente.engine.noise.gaussian import gaussian
from aldente.engine.noise.streams import source

SEEDS = st.integers(0, 2**64 - 1)


def test_numbers_follow_the_normal_distribution() -> None:
    numbers = normal(1, "test", (), (1_000_000,)).astype(float)
    assert abs(numbers.mean()) < 0.004
    assert abs(numbers.var() - 1.0) < 0.006
    assert stats.kstest(numbers, "norm").pvalue > 0.01
    assert abs(np.corrcoef(numbers[:500_000], numbers[500_000:])[0, 1]) < 0.006
    assert 4.2 < np.abs(numbers).max() < 6.5


def test_box_muller_is_that_of_the_textbook() -> None:
    bits = np.concatenate([source(2, "test")((), 5000), np.array([0, 2**32 - 1, 2**63, 2**64 - 1], dtype=np.uint64)])
    low, high = (bits & np.uint64(0xFFFFFFFF)).astype(float), (bits >> np.uint64(32)).astype(float)
    words = np.stack([low, high], axis=-1).reshape(-1)
    radius = np.sqrt(-2.0 * np.log((words[: bits.size] + 0.5) / 2**32))
    turn = words[bits.size :]
    angle = np.where(turn < 2**31, turn, turn - 2**32) * np.pi / 2**32
    side = 1.0 - 2.0 * (turn % 2)
    expected = np.concatenate([radius * np.sin(angle), radius * np.cos(angle) * side])
    np.testing.assert_allclose(gaussian(bits), expected, atol=4e-6)


def test_numbers_are_these_on_every_machine_and_in_every_version() -> None:
    assert normal(42, "initial", (0,), (2, 3)).tobytes().hex() == "01c4c4bf7cdff9be7e6f3e3ce3fa433e3e325f3fee1f0b3e"


@given(seed=SEEDS, index=st.lists(st.integers(0, 2**64 - 1), max_size=3), count=st.integers(1, 40))
def test_the_same_place_holds_the_same_noise(seed: int, index: list[int], count: int) -> None:
    first = normal(seed, "test", index, (count,))
    normal(seed, "other", index, (7,))
    np.testing.assert_array_equal(first, normal(seed, "test", index, (count,)))


@pytest.mark.parametrize("other", [(2, "test", (0, 0)), (1, "Test", (0, 0)), (1, "test", (1, 0)), (1, "test", (0, 1))])
def test_another_place_holds_unrelated_noise(other: tuple[int, str, tuple[int, int]]) -> None:
    here, there = normal(1, "test", (0, 0), (10_000,)), normal(*other, (10_000,))
    assert abs(np.corrcoef(here, there)[0, 1]) < 0.04


def test_one_image_has_the_same_step_noise_alone_and_in_any_batch() -> None:
    alone = independent([7], np.zeros((1, 4, 8, 8)))(3.0, 2.0)
    batch = independent([3, 7, 2**64 - 1], np.zeros((3, 4, 8, 8)))(3.0, 2.0)
    np.testing.assert_array_equal(alone[0], batch[1])


def test_step_noise_differs_between_steps_images_and_purposes() -> None:
    like = np.zeros((1, 4, 32, 32))
    noises = [
        independent([7], like)(3.0, 2.0),
        independent([7], like)(2.0, 3.0),
        independent([7], like)(3.0, np.nextafter(2.0, 3.0)),
        independent([8], like)(3.0, 2.0),
        independent([7], like, purpose="churn")(3.0, 2.0),
        initial([keyed(7)], like),
    ]
    correlations = np.corrcoef([noise.reshape(-1) for noise in noises]) - np.eye(len(noises))
    assert np.abs(correlations).max() < 0.08


def test_noise_comes_in_the_library_and_precision_of_the_latent(xp) -> None:
    single, double = (xp.array(np.zeros((2, 4, 8, 8), dtype=dtype)) for dtype in ("float32", "float64"))
    noises = [independent([1, 2], like)(3.0, 2.0) for like in (single, double)]
    assert [noise.dtype for noise in noises] == [single.dtype, double.dtype]
    assert all(type(noise) is type(single) for noise in noises)
    np.testing.assert_array_equal(xp.numpy(noises[0]), xp.numpy(noises[1]))


def test_a_stream_too_few_is_an_error_and_not_shared_noise() -> None:
    with pytest.raises(ValueError, match="1 streams of noise for 2 images"):
        independent([1], np.zeros((2, 4, 8, 8)))(3.0, 2.0)


@pytest.mark.parametrize("name", ["aldente", "nv", "cpu"])
def test_streams_in_order_go_on_from_the_initial_noise_of_each_image(name: str) -> None:
    like, stream = np.zeros((2, 4, 8, 8), dtype=np.float32), find_rng(name).stream
    streams = [stream(5), stream(6)]
    start, noise = initial(streams, like), in_order(streams, like)
    steps = [noise(3.0, 2.0), noise(2.0, 1.0)]
    alone = stream(6)
    for drawn in (start, *steps):
        np.testing.assert_array_equal(drawn[1], alone((4, 8, 8)))
    assert abs(np.corrcoef(steps[0].reshape(-1), steps[1].reshape(-1))[0, 1]) < 0.2


def test_sources_are_found_by_name() -> None:
    assert find_rng("NV").name == "nv"
    assert [info.by_level for info in rngs()] == [True, False, False]
    with pytest.raises(UserError, match="did you mean 'aldente'"):
        find_rng("aldent")


def test_a_run_starts_at_the_spread_of_its_first_level() -> None:
    noise = normal(1, "test", (), (1, 4, 8, 8))
    np.testing.assert_array_equal(started(noise, exploding(14.0)), noise * 14.0)
    np.testing.assert_allclose(started(noise, exploding(14.0), "max"), noise * np.sqrt(197.0), rtol=1e-6)
    np.testing.assert_array_equal(started(noise, flow(1.0)), noise)
    np.testing.assert_array_equal(started(noise, flow(1.0), "max"), noise)
