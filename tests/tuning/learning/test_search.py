"""The descent: it finds what can be found from inner products alone, and ends."""

import numpy as np
import pytest

from aldente.tuning.learning.search import Descent
from aldente.tuning.learning.spacing import Spacing

SPACING = Spacing(sigma_max=20.0, sigma_min=0.03, steps=6)
BEST = (20.0, 8.0, 3.5, 1.4, 0.5, 0.15)
START = (20.0, 12.0, 7.0, 2.0, 0.3, 0.05)
DRAW = np.random.default_rng(4)
DIRECTIONS = DRAW.normal(size=(5, 5, 30))
REST = 0.02 * DRAW.normal(size=(5, 30))


def errors(sigmas, bend):
    """A made-up error of each of five prompts, ``prompts numbers``: least at BEST, curved by ``bend``."""
    away = np.log(sigmas[1:]) - np.log(BEST[1:])
    return np.einsum("i,pin->pn", away + bend * away**2, DIRECTIONS) + REST


def descend(bend, most=60):
    descent, asked = Descent(spacing=SPACING, here=SPACING.places(START)), 0
    while not descent.done and descent.rounds < most:
        ask = descent.ask()
        each = np.stack([errors(sigmas, bend) for sigmas in ask.schedules], axis=1)
        overlaps = np.einsum("pin,pjn->pij", each, each) / each.shape[2]
        asked += len(ask.schedules)
        descent.tell(overlaps if ask.wants == "overlaps" else np.sqrt(np.einsum("pii->pi", overlaps)))
    return descent, asked


@pytest.mark.parametrize("bend", [0.0, 0.15])
def test_a_descent_finds_the_levels_in_a_few_rounds(bend):
    descent, asked = descend(bend)
    assert descent.done
    np.testing.assert_allclose(np.log(descent.sigmas), np.log(BEST), atol=0.02)
    assert asked <= 60


def test_a_descent_is_a_function_of_what_it_is_told():
    assert descend(0.15)[0].sigmas == descend(0.15)[0].sigmas


def test_a_descent_never_ends_above_its_start():
    rough = np.random.default_rng(9)
    descent = Descent(spacing=SPACING, here=SPACING.places(START))
    first = None
    for _ in range(200):
        if descent.done:
            break
        ask = descent.ask()
        each = rough.normal(size=(5, len(ask.schedules), 30))
        overlaps = np.einsum("pin,pjn->pij", each, each) / 30
        descent.tell(overlaps if ask.wants == "overlaps" else np.sqrt(np.einsum("pii->pi", overlaps)))
        first = descent.loss if first is None else first
    assert descent.done
    assert np.all(np.diff(np.log(descent.sigmas)) <= -SPACING.gap + 1e-4)


def test_the_first_ask_is_the_start_and_each_level_moved_alone():
    descent = Descent(spacing=SPACING, here=SPACING.places(START))
    ask = descent.ask()
    assert ask.schedules[0] == START
    for index, schedule in enumerate(ask.schedules[1:], start=1):
        assert [i for i in range(6) if schedule[i] != START[i]] == [index]
