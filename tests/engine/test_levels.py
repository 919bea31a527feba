"""Levels: one family for exploding, preserving and flow models."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.levels import (
    Level,
    exploding,
    exploding_levels,
    flow,
    flow_levels,
    log_snr,
    preserving,
    with_log_snr,
    with_sigma,
)

RATIOS = st.floats(1e-4, 1e4)


@given(RATIOS)
def test_a_preserving_level_keeps_unit_variance_and_its_ratio(ratio):
    level = preserving(ratio)
    assert level.alpha**2 + level.sigma**2 == pytest.approx(1.0)
    assert level.sigma / level.alpha == pytest.approx(ratio)


@given(RATIOS)
def test_the_log_ratio_leads_back_to_the_level_in_both_families(ratio):
    for level in (exploding(ratio), flow(ratio / (1 + ratio))):
        back = with_log_snr(level, log_snr(level))
        assert back.sigma == pytest.approx(level.sigma)
        assert back.alpha == pytest.approx(level.alpha)


def test_the_ends_have_infinite_ratios():
    assert log_snr(flow(1.0)) == -math.inf
    assert log_snr(flow(0.0)) == math.inf
    assert log_snr(exploding(0.0)) == math.inf


def test_a_sigma_is_placed_in_the_family_of_its_neighbour():
    assert with_sigma(exploding(3.0), 0.5) == Level(1.0, 0.5)
    assert with_sigma(flow(0.9), 0.25) == Level(0.75, 0.25)


def test_sequences_of_levels():
    assert exploding_levels([2, 0]) == (Level(1.0, 2.0), Level(1.0, 0.0))
    assert flow_levels([1.0, 0.0]) == (Level(0.0, 1.0), Level(1.0, 0.0))
