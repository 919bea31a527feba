"""Tiles: they cover, weigh and wrap rightly, and tiling what looks at one pixel changes nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.denoise import answer, conditional
from aldente.engine.errors import UserError
from aldente.engine.guidance import cfg, guided
from aldente.engine.levels import exploding
from aldente.engine.tiling import strips, tiled, tiling

LEVEL = exploding(3.0)


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, int, int, bool]:
    size = draw(st.integers(1, 12))
    return draw(st.integers(1, 40)), size, draw(st.integers(0, size - 1)), draw(st.booleans())


def pointwise(query):
    return np.tanh(query.x) * query.level.sigma


@given(plans())
def test_strips_cover_everything_with_weights_that_sum_to_one(plan) -> None:
    length, size, overlap, wraps = plan
    total = np.zeros(length)
    for strip in strips(length, size, overlap, wraps=wraps):
        assert len(strip.weights) == min(size, length)
        assert min(strip.weights) > 0.0
        assert strip.stop <= length or wraps
        np.add.at(total, np.arange(strip.start, strip.stop) % length, strip.weights)
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


@given(plans())
def test_neighbouring_strips_overlap_by_no_less_than_asked(plan) -> None:
    length, size, overlap, wraps = plan
    chosen = strips(length, size, overlap, wraps=wraps)
    for first, second in pairwise(chosen):
        assert first.stop - second.start >= min(overlap, length - 1) or size >= length
        assert second.start > first.start or length == 1


@pytest.mark.parametrize(
    ("length", "size", "overlap", "wraps", "starts"),
    [
        (16, 16, 4, False, [0]),
        (10, 16, 4, False, [0]),
        (17, 16, 4, False, [0, 1]),
        (40, 16, 4, False, [0, 12, 24]),
        (40, 16, 4, True, [0, 10, 20, 30]),
        (10, 16, 4, True, [0, 5]),
    ],
)
def test_there_are_as_few_tiles_as_possible(length: int, size: int, overlap: int, wraps: bool, starts: list[int]) -> None:
    assert [strip.start for strip in strips(length, size, overlap, wraps=wraps)] == starts


@pytest.mark.parametrize("overlap", [-1, 8, 9])
def test_tiles_cannot_overlap_by_all_of_themselves(overlap: int) -> None:
    with pytest.raises(UserError, match="choose an overlap from 0 to 7"):
        strips(20, 8, overlap)


@given(height=st.integers(1, 20), width=st.integers(1, 20), size=st.integers(2, 9), wraps=st.booleans())
def test_tiling_a_pointwise_denoiser_changes_nothing(height: int, width: int, size: int, wraps: bool) -> None:
    x = np.random.default_rng(height * width).normal(size=(2, 3, height, width))
    plan = tiling(height, width, size, size // 3, wraps=wraps)
    clean, base = answer(tiled(conditional("a"), plan)(x, LEVEL), pointwise)
    np.testing.assert_allclose(clean, np.tanh(x) * 3.0, atol=1e-12)
    assert base is clean


def test_every_library_tiles_alike_and_in_one_go(xp, asked, picture) -> None:
    x = picture(1, (2, 3, 14, 9))
    for wraps in (False, True):
        plan = tiling(14, 9, 6, 2, wraps=wraps)
        (clean, _), goes = asked(tiled(conditional("a"), plan)(xp.array(x), LEVEL), lambda query: query.x * 3.0)
        assert goes == [len(plan.rows) * len(plan.columns)]
        np.testing.assert_allclose(xp.numpy(clean), x * 3.0, atol=1e-12)


def test_all_tiles_have_the_size_asked_for(asked) -> None:
    shapes = set()

    def note(query):
        shapes.add(query.x.shape)
        return query.x

    asked(tiled(conditional("a"), tiling(17, 11, 8, 3))(np.zeros((1, 4, 17, 11)), LEVEL), note)
    assert shapes == {(1, 4, 8, 8)}


def test_guidance_outside_of_tiles_asks_all_in_one_go_and_equals_guidance_inside(asked, picture) -> None:
    x, plan = picture(1, (1, 2, 12, 12)), tiling(12, 12, 8, 2)

    def evaluate(query):
        return query.x * {"a": 2.0, "b": -1.0}[query.condition]

    outside = guided(cfg(3.0), tiled(conditional("a"), plan), tiled(conditional("b"), plan))
    inside = tiled(guided(cfg(3.0), conditional("a"), conditional("b")), plan)
    (first, goes), (second, _) = (asked(denoise(x, LEVEL), evaluate) for denoise in (outside, inside))
    assert goes == [8]
    np.testing.assert_allclose(first.clean, second.clean, atol=1e-12)
    np.testing.assert_allclose(first.base, second.base, atol=1e-12)
    np.testing.assert_allclose(second.base, -x, atol=1e-12)


def test_a_wrapping_texture_has_no_seam() -> None:
    """A denoiser that darkens the rim of what it sees leaves a rim without wrapping, and none with it."""

    def rimmed(query):
        inner = np.zeros(query.x.shape)
        inner[:, :, 1:-1, 1:-1] = 1.0
        return inner

    x = np.zeros((1, 1, 16, 16))
    flat, _ = answer(tiled(conditional("a"), tiling(16, 16, 8, 4))(x, LEVEL), rimmed)
    round_, _ = answer(tiled(conditional("a"), tiling(16, 16, 8, 4, wraps=True))(x, LEVEL), rimmed)
    assert flat[0, 0, 0].max() == 0.0
    assert round_.min() > 0.5
    np.testing.assert_allclose(round_, np.roll(round_, (4, 4), axis=(2, 3)), atol=1e-12)
