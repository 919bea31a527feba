"""Schedules changed after they were built, and training variances moved to leave no signal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.schedules.amend import discard_next_to_last, zero_terminal_snr
from aldente.engine.schedules.flow import shift
from aldente.engine.schedules.span import scaled_linear_betas, training_sigmas


def test_discarding_drops_the_last_level_above_zero() -> None:
    assert discard_next_to_last((3.0, 2.0, 1.0, 0.0)) == (3.0, 2.0, 0.0)


def test_a_single_step_has_nothing_to_discard() -> None:
    assert discard_next_to_last((3.0, 0.0)) == (3.0, 0.0)


def test_zero_terminal_snr_keeps_the_first_timestep_and_empties_the_last() -> None:
    betas = scaled_linear_betas()
    moved = zero_terminal_snr(betas)
    assert moved[0] == pytest.approx(betas[0])
    assert moved[-1] == 1.0
    assert training_sigmas(moved)[-1] == np.inf


def test_zero_terminal_snr_moves_the_roots_along_a_line() -> None:
    def roots(betas: tuple[float, ...]) -> np.ndarray:
        return np.sqrt(np.cumprod(1.0 - np.array(betas)))

    before, after = roots(scaled_linear_betas()), roots(zero_terminal_snr(scaled_linear_betas()))
    slope, offset = np.polyfit(before, after, 1)
    np.testing.assert_allclose(after, slope * before + offset, atol=1e-9)


@given(sigma=st.floats(0.0, 1.0), first=st.floats(0.1, 10.0), second=st.floats(0.1, 10.0))
def test_two_shifts_are_one_by_the_product(sigma: float, first: float, second: float) -> None:
    assert shift(shift([sigma], first), second)[0] == pytest.approx(shift([sigma], first * second)[0], abs=1e-12)


def test_a_shift_keeps_both_ends() -> None:
    assert shift([1.0, 0.0], 3.0) == (1.0, 0.0)
