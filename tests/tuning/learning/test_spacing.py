"""The limits that learned levels keep."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aldente.tuning.learning.spacing import Spacing

SPACING = Spacing(sigma_max=20.0, sigma_min=0.03, steps=8)


def gaps(places):
    return -np.diff([math.log(SPACING.sigma_max), *places])


@given(st.lists(st.floats(-20, 20), min_size=7, max_size=7))
def test_any_places_become_places_that_are_allowed(wild):
    places = SPACING.allowed(np.array(wild))
    assert gaps(places).min() >= SPACING.gap - 1e-12
    assert places[-1] >= math.log(SPACING.sigma_min) - 1e-12
    np.testing.assert_array_equal(SPACING.allowed(places), places)


@given(st.lists(st.floats(1.5, 4.0), min_size=7, max_size=7))
def test_places_that_are_allowed_stay(ratios):
    wide = Spacing(sigma_max=20.0, sigma_min=1e-6, steps=8)
    places = math.log(20.0) - np.cumsum(np.log(ratios)) - wide.gap
    np.testing.assert_array_equal(wide.allowed(places), places)


def test_levels_are_written_in_six_digits_between_the_fixed_ends():
    sigmas = SPACING.sigmas(SPACING.places((20.0, 7.123456789, 3.0, 1.5, 0.8, 0.4, 0.2, 0.1, 0.0)))
    assert sigmas == (20.0, 7.12346, 3.0, 1.5, 0.8, 0.4, 0.2, 0.1)


def test_a_schedule_from_outside_is_moved_inside():
    sigmas = SPACING.sigmas(SPACING.places((900.0, 800.0, 30.0, 1.5, 0.8, 0.4, 0.2, 0.001)))
    assert sigmas[0] == 20.0
    assert sigmas[1] < 20.0
    assert sigmas[-1] >= 0.03 * (1 - 1e-5)
    assert len(sigmas) == 8
