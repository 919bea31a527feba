"""The one loop."""

import numpy as np
import pytest

from aldente.engine.denoise import Estimate, Query, answer
from aldente.engine.levels import Level, exploding, exploding_levels
from aldente.engine.trajectory import Move, trajectory


class Recording:
    """A sampler that notes its moves and halves the latent."""

    def __init__(self):
        self.moves = []

    def step(self, denoise, x, move, memory, noise):
        clean, _ = yield from denoise(x, move.level)
        self.moves.append((move, memory, noise(move.level.sigma, move.target.sigma)))
        return 0.5 * x + 0.0 * clean, (memory or 0) + 1


def plain(x, level):
    (clean,) = yield [Query(x, level, None)]
    return Estimate(clean, clean)


def evaluate(query):
    return query.x / (1 + query.level.sigma)


def noise(sigma, sigma_next):
    return (sigma, sigma_next)


def test_the_last_level_of_zero_is_reached_by_one_denoising():
    sampler = Recording()
    result = answer(trajectory(sampler, plain, np.ones(2), exploding_levels([4.0, 1.0, 0.0]), noise), evaluate)
    np.testing.assert_array_equal(result, np.full(2, 0.5 / 2))
    assert [m.number for m, _, _ in sampler.moves] == [0]


def test_memory_is_handed_from_step_to_step_and_moves_say_where_they_are():
    sampler = Recording()
    answer(trajectory(sampler, plain, np.ones(1), exploding_levels([4.0, 2.0, 1.0, 0.5]), noise), evaluate)
    assert [memory for _, memory, _ in sampler.moves] == [None, 1, 2]
    assert sampler.moves[1][0] == Move(exploding(2.0), exploding(1.0), 1, 3)
    assert sampler.moves[2][2] == (1.0, 0.5)


def test_one_level_is_no_step():
    assert answer(trajectory(Recording(), plain, 3.0, exploding_levels([4.0]), noise), evaluate) == 3.0


def test_a_lift_changes_the_latent_and_the_level_before_every_step_the_last_too():
    sampler = Recording()

    def lift(x, move):
        return x + 1.0, Level(1.0, move.level.sigma * 2)

    result = answer(trajectory(sampler, plain, np.zeros(1), exploding_levels([4.0, 1.0, 0.0]), noise, lift=lift), evaluate)
    assert sampler.moves[0][0].level.sigma == 8.0
    assert result == pytest.approx((0.5 + 1.0) / 3.0)
