"""Guidance: the identities that define each kind, and what each asks for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.denoise import conditional
from aldente.engine.guidance import apg, cfg, guided, interval, rescaled, thresholded
from aldente.engine.levels import exploding

LEVEL = exploding(2.0)


def answers(picture):
    """A model that knows two conditions: each has its own picture, leaning to x."""
    pictures = {"prompt": picture(1), "negative": picture(2)}

    def evaluate(query):
        return 0.25 * query.x + pictures[query.condition]

    return evaluate


@given(scale=st.floats(0.0, 20.0), sigma=st.floats(0.01, 20.0))
def test_cfg_on_the_estimate_is_cfg_on_the_noise(scale: float, sigma: float) -> None:
    x, cond, uncond = np.random.default_rng(0).normal(size=(3, 1, 4, 6, 6))
    eps_cond, eps_uncond = (x - cond) / sigma, (x - uncond) / sigma
    from_noise = x - sigma * (eps_uncond + scale * (eps_cond - eps_uncond))
    np.testing.assert_allclose(cfg(scale).apply(cond, uncond), from_noise, atol=1e-10)


def test_guidance_asks_both_in_one_go_and_keeps_the_base(asked, picture) -> None:
    evaluate = answers(picture)
    x = picture(3)
    denoise = guided(cfg(7.5), conditional("prompt"), conditional("negative"))
    (clean, base), goes = asked(denoise(x, LEVEL), evaluate)
    cond, uncond = 0.25 * x + picture(1), 0.25 * x + picture(2)
    assert goes == [2]
    np.testing.assert_array_equal(base, uncond)
    np.testing.assert_array_equal(clean, uncond + 7.5 * (cond - uncond))


@pytest.mark.parametrize("make", [cfg, apg, lambda s: rescaled(cfg(s), 0.7), lambda s: thresholded(cfg(s), 0.9)])
def test_a_scale_of_one_is_off_and_asks_only_the_prompt(make, asked, picture) -> None:
    x = picture(3)
    denoise = guided(make(1.0), conditional("prompt"), conditional("negative"))
    (clean, base), goes = asked(denoise(x, LEVEL), answers(picture))
    assert goes == [1]
    np.testing.assert_array_equal(clean, 0.25 * x + picture(1))
    assert base is clean
    assert not make(1.5).off


def test_guided_denoisers_nest_and_still_ask_in_one_go(asked, picture) -> None:
    inner = guided(cfg(3.0), conditional("prompt"), conditional("negative"))
    outer = guided(cfg(2.0), inner, conditional("negative"))
    _, goes = asked(outer(picture(3), LEVEL), answers(picture))
    assert goes == [3]


@pytest.mark.parametrize(("sigma", "calls"), [(0.5, 1), (1.0, 1), (1.0001, 2), (5.0, 2), (5.0001, 1), (14.6, 1)])
def test_an_interval_guides_above_its_low_and_up_to_its_high(sigma: float, calls: int, asked, picture) -> None:
    guide = guided(cfg(7.0), conditional("prompt"), conditional("negative"))
    denoise = interval(guide, conditional("prompt"), 1.0, 5.0)
    _, goes = asked(denoise(picture(3), exploding(sigma)), answers(picture))
    assert goes == [calls]


def test_rescaling_matches_the_spread_of_each_image(picture) -> None:
    cond, uncond = picture(1) * 3.0, picture(2)
    full = rescaled(cfg(7.0), 1.0).apply(cond, uncond)
    plain = cfg(7.0).apply(cond, uncond)
    np.testing.assert_allclose(full.std(axis=(1, 2, 3)), cond.std(axis=(1, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(rescaled(cfg(7.0), 0.7).apply(cond, uncond), 0.7 * full + 0.3 * plain, atol=1e-12)
    assert rescaled(cfg(7.0), 0.0).apply(cond, uncond).tolist() == plain.tolist()


def test_rescaling_a_flat_estimate_leaves_it_flat() -> None:
    flat = np.zeros((1, 1, 2, 2))
    np.testing.assert_array_equal(rescaled(cfg(7.0), 0.7).apply(flat, flat), flat)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 1.0])
def test_thresholding_clips_to_the_size_of_the_prompts_estimate(quantile: float, picture) -> None:
    cond, uncond = picture(1), picture(2)
    clipped = thresholded(cfg(10.0), quantile).apply(cond, uncond)
    plain = cfg(10.0).apply(cond, uncond)
    for row in range(2):
        room, reach = np.quantile(np.abs(cond[row]), quantile), np.quantile(np.abs(plain[row]), quantile)
        np.testing.assert_allclose(clipped[row], np.clip(plain[row], -reach, reach) * room / reach, atol=1e-12)


def test_thresholding_leaves_what_is_within_its_room(picture) -> None:
    cond = picture(1)
    np.testing.assert_allclose(thresholded(cfg(1.5), 1.0).apply(cond, 2.0 * cond), 0.5 * cond, atol=1e-15)


def test_thresholding_a_single_number_bounds_it() -> None:
    cond, uncond = np.full((1, 1, 1, 1), 2.0), np.full((1, 1, 1, 1), 1.0)
    np.testing.assert_array_equal(thresholded(cfg(5.0), 0.9).apply(cond, uncond), cond)


def test_apg_that_keeps_all_is_cfg(picture) -> None:
    cond, uncond = picture(1), picture(2)
    np.testing.assert_allclose(apg(7.0, eta=1.0).apply(cond, uncond), cfg(7.0).apply(cond, uncond), atol=1e-12)


def test_apg_moves_across_the_prompts_estimate_only(picture) -> None:
    cond, uncond = picture(1), picture(2)
    moved = apg(7.0).apply(cond, uncond) - cond
    np.testing.assert_allclose(np.sum(moved * cond, axis=(1, 2, 3)), 0.0, atol=1e-10)
    half = apg(7.0, eta=0.5).apply(cond, uncond) - cond
    along = np.sum((cond - uncond) * cond, axis=(1, 2, 3))
    np.testing.assert_allclose(np.sum(half * cond, axis=(1, 2, 3)), 6.0 * 0.5 * along, rtol=1e-10)


def test_apg_bounds_the_length_of_each_images_guidance(picture) -> None:
    cond, uncond = picture(1), picture(2)
    uncond[1] = cond[1] + 0.001
    moved = apg(2.0, eta=1.0, norm=5.0).apply(cond, uncond) - cond
    np.testing.assert_allclose(np.linalg.norm(moved[0]), 5.0, rtol=1e-12)
    np.testing.assert_allclose(moved[1], -0.001, rtol=1e-9)


def test_apg_momentum_leans_on_the_steps_before_per_image(picture) -> None:
    pairs = [(picture(seed), picture(seed + 10)) for seed in range(3)]
    batch, alone = apg(2.0, eta=1.0, momentum=-0.5), apg(2.0, eta=1.0, momentum=-0.5)
    average = 0.0
    for cond, uncond in pairs:
        average = (cond - uncond) - 0.5 * average
        together = batch.apply(cond, uncond)
        np.testing.assert_allclose(together, cond + average, atol=1e-12)
        np.testing.assert_array_equal(alone.apply(cond[1:], uncond[1:]), together[1:])


@pytest.mark.parametrize(
    "make",
    [
        lambda: cfg(7.0),
        lambda: apg(7.0, eta=0.3, norm=2.0, momentum=-0.5),
        lambda: rescaled(cfg(7.0), 0.7),
        lambda: thresholded(cfg(7.0), 0.95),
    ],
    ids=["cfg", "apg", "rescaled", "thresholded"],
)
def test_every_library_gives_the_same_and_keeps_its_arguments(make, xp, picture) -> None:
    cond, uncond = xp.array(picture(1)), xp.array(picture(2))
    expected, combine = make().apply(picture(1), picture(2)), make()
    np.testing.assert_allclose(xp.numpy(combine.apply(cond, uncond)), expected, atol=1e-12)
    np.testing.assert_array_equal(xp.numpy(cond), picture(1))
    np.testing.assert_array_equal(xp.numpy(uncond), picture(2))
