"""Masks: the known part comes back exactly, the free part is free, and what is between is between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from aldente.engine.denoise import answer, conditional
from aldente.engine.guidance import cfg, guided
from aldente.engine.levels import exploding, exploding_levels, flow_levels
from aldente.engine.masking import differential, inpainted
from aldente.engine.noise import independent
from aldente.engine.samplers.euler import Euler, EulerAncestral
from aldente.engine.trajectory import trajectory

LEVELS = exploding_levels([10.0, 5.0, 2.0, 1.0, 0.0])
HALF = np.concatenate([np.zeros((1, 1, 6, 3)), np.ones((1, 1, 6, 2))], axis=3)


def far(query):
    """A model that always answers the same faraway picture."""
    return query.x * 0.0 + 7.0


@pytest.mark.parametrize("levels", [LEVELS, flow_levels([1.0, 0.7, 0.3, 0.0])], ids=["exploding", "flow"])
@pytest.mark.parametrize("sampler", [Euler(), EulerAncestral()], ids=["euler", "ancestral"])
def test_the_known_part_is_returned_to_the_last_bit(sampler, levels, xp, picture) -> None:
    known, noise, mask = (xp.array(a) for a in (picture(1), picture(2), HALF))
    start = levels[0].alpha * known + levels[0].sigma * noise
    denoise = inpainted(conditional("a"), known, noise, mask)
    end = xp.numpy(answer(trajectory(sampler, denoise, start, levels, independent([1, 2], known)), far))
    np.testing.assert_array_equal(end[..., :3], picture(1)[..., :3])
    np.testing.assert_array_equal(end[..., 3:], 7.0)


def test_the_model_sees_the_known_part_noised_to_the_level_by_the_same_noise(picture) -> None:
    known, noise, x = picture(1), picture(2), picture(3)
    seen = []

    def look(query):
        seen.append(query.x)
        return query.x

    for sigma in (5.0, 1.0):
        answer(inpainted(conditional("a"), known, noise, HALF)(x, exploding(sigma)), look)
        np.testing.assert_array_equal(seen[-1][..., :3], (known + sigma * noise)[..., :3])
        np.testing.assert_array_equal(seen[-1][..., 3:], x[..., 3:])


def test_a_deterministic_run_keeps_the_known_part_on_its_path(picture) -> None:
    known, noise = picture(1), picture(2)
    denoise = inpainted(conditional("a"), known, noise, HALF)
    x = answer(trajectory(Euler(), denoise, known + 10.0 * noise, LEVELS[:3], independent([1, 2], known)), far)
    np.testing.assert_allclose(x[..., :3], (known + 2.0 * noise)[..., :3], atol=1e-12)


def test_a_soft_mask_blends_the_estimate_and_the_base(picture) -> None:
    known, noise, x = picture(1), picture(2), picture(3)
    denoise = inpainted(guided(cfg(3.0), conditional("a"), conditional("b")), known, noise, np.full((1, 1, 1, 1), 0.25))
    clean, base = answer(denoise(x, exploding(2.0)), lambda query: np.full_like(x, {"a": 2.0, "b": 1.0}[query.condition]))
    np.testing.assert_allclose(clean, 0.25 * 4.0 + 0.75 * known, atol=1e-12)
    np.testing.assert_allclose(base, 0.25 * 1.0 + 0.75 * known, atol=1e-12)


def test_each_pixel_is_free_for_its_share_of_the_steps(xp) -> None:
    strength = xp.array(np.array([[[[0.0, 0.2, 0.25, 0.5, 0.7, 0.75, 1.0]]]], dtype=np.float32))
    known = xp.np.zeros_like(strength)
    denoise = differential(conditional("a"), known, known, strength, LEVELS)
    free = [xp.numpy(answer(denoise(known, level), far).clean)[0, 0, 0] / 7.0 for level in LEVELS[:-1]]
    np.testing.assert_array_equal(np.sum(free, axis=0), [0, 0, 1, 2, 2, 3, 4])
    assert all((later >= earlier).all() for earlier, later in pairwise(free))


def test_a_run_keeps_pixels_of_strength_zero_and_redraws_those_of_one(picture) -> None:
    known, noise = picture(1), picture(2)
    strength = np.broadcast_to(np.array([0.0, 0.3, 0.5, 0.8, 1.0]), (1, 1, 6, 5))
    denoise = differential(conditional("a"), known, noise, strength, LEVELS)
    end = answer(trajectory(Euler(), denoise, known + 10.0 * noise, LEVELS, independent([1, 2], known)), far)
    np.testing.assert_array_equal(end[..., 0], known[..., 0])
    np.testing.assert_array_equal(end[..., 1:], 7.0)
