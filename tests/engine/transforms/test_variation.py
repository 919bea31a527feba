"""Noise that leans to another seed stays noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.noise import initial, keyed
from aldente.engine.variation import centred, slerp, varied

LIKE = np.zeros((2, 4, 16, 16))
ONE, OTHER = (initial([keyed(seed), keyed(seed + 1)], LIKE) for seed in (1, 10))


@given(st.floats(0.0, 1.0))
def test_what_lies_between_two_unit_noises_is_unit_noise(amount: float) -> None:
    np.testing.assert_allclose(slerp(ONE, OTHER, amount).std(axis=(1, 2, 3)), 1.0, atol=0.05)


@pytest.mark.parametrize("axes", [(1, 2, 3), (2,)])
def test_the_way_ends_at_both_noises_and_turns_evenly(axes, xp) -> None:
    one, other = xp.array(ONE), xp.array(OTHER)
    assert np.abs(xp.numpy(slerp(one, other, 0.0, axes=axes)) - ONE).max() < 1e-12
    assert np.abs(xp.numpy(slerp(one, other, 1.0, axes=axes)) - OTHER).max() < 1e-12

    def angle(a, b):
        return np.arccos(np.sum(a * b, axis=axes) / np.sqrt(np.sum(a * a, axis=axes) * np.sum(b * b, axis=axes)))

    unit = [array / np.sqrt(np.sum(array**2, axis=axes, keepdims=True)) for array in (ONE, OTHER)]
    third = xp.numpy(slerp(*(xp.array(array) for array in unit), 1 / 3, axes=axes))
    np.testing.assert_allclose(angle(unit[0], third) / angle(unit[0], unit[1]), 1 / 3, atol=1e-9)


def test_noises_in_one_direction_are_mixed_linearly() -> None:
    np.testing.assert_allclose(slerp(ONE, 2.0 * ONE, 0.25), 1.25 * ONE, rtol=1e-12)


def test_each_image_leans_alone() -> None:
    np.testing.assert_array_equal(slerp(ONE, OTHER, 0.3)[1:], slerp(ONE[1:], OTHER[1:], 0.3))


def test_no_variation_and_full_variation_are_the_noises_themselves() -> None:
    assert varied(ONE, OTHER, 0.0) is ONE
    assert varied(ONE, OTHER, 1.0) is OTHER
    np.testing.assert_array_equal(varied(ONE, OTHER, 0.4), slerp(ONE, OTHER, 0.4))


@pytest.mark.parametrize("size", [(4, 6), (16, 16), (20, 6), (7, 21), (19, 23)])
def test_another_size_keeps_the_middle(size: tuple[int, int], xp) -> None:
    inner = np.arange(2 * 4 * math.prod(size), dtype=float).reshape(2, 4, *size)
    result = xp.numpy(centred(xp.array(inner), xp.array(ONE)))
    height, width = (min(length, 16) for length in size)
    down, right = (size[0] - height) // 2, (size[1] - width) // 2
    top, left = (16 - height) // 2, (16 - width) // 2
    expected = ONE.copy()
    expected[:, :, top : top + height, left : left + width] = inner[:, :, down : down + height, right : right + width]
    np.testing.assert_array_equal(result, expected)
