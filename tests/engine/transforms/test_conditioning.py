"""Several conditions in one picture: after each other, in turn, at once, and side by side."""

from __future__ import annotations

import numpy as np
import pytest

from aldente.engine.conditioning import alternating, composed, scheduled, step_of, switched
from aldente.engine.denoise import Estimate, conditional
from aldente.engine.errors import UserError
from aldente.engine.guidance import cfg, guided
from aldente.engine.levels import exploding, exploding_levels
from aldente.engine.regional import regional

LEVELS = exploding_levels([10.0, 8.0, 6.0, 4.0, 2.0, 0.0])
SHIFTS = {"a": 1.0, "b": 20.0, "c": 300.0}


def shifted(query):
    return query.x + SHIFTS[query.condition]


def conditions(denoise, sigmas, asked) -> str:
    """Which condition is asked at each sigma."""
    names = []
    for sigma in sigmas:
        (clean, base), goes = asked(denoise(np.zeros((1, 1, 1, 1)), exploding(sigma)), shifted)
        assert goes == [1]
        assert base is clean
        names.append({shift: name for name, shift in SHIFTS.items()}[float(clean[0, 0, 0, 0])])
    return "".join(names)


@pytest.mark.parametrize(
    ("sigma", "step"), [(14.0, 0), (10.0, 0), (9.0, 0), (8.0, 1), (4.0, 3), (2.1, 3), (2.0, 4), (0.5, 4), (0.0, 4)]
)
def test_a_level_belongs_to_the_step_that_leads_on_from_it(sigma: float, step: int) -> None:
    assert step_of(LEVELS, sigma) == step


def test_pieces_are_switched_by_sigma(asked) -> None:
    denoise = switched([(6.0, conditional("a")), (2.0, conditional("b")), (1.0, conditional("c"))])
    assert conditions(denoise, [10.0, 6.1, 6.0, 2.1, 2.0, 0.5], asked) == "aabbcc"


@pytest.mark.parametrize(
    ("ends", "order"),
    [
        ((2, 4, 5), "aabbc"),
        ((0.4, 0.8, 1.0), "aabbc"),
        ((0.59, 0.6, 1.0), "aabcc"),
        ((1, 1.0, 1.0), "abbbb"),
        ((0, 1, 3), "bcccc"),
        ((0.0, 0.0, 0.0), "ccccc"),
    ],
)
def test_a_schedule_counts_steps_or_shares_of_them(ends, order: str, asked) -> None:
    denoise = scheduled(list(zip(ends, map(conditional, "abc"), strict=True)), LEVELS)
    assert conditions(denoise, [level.sigma for level in LEVELS[:-1]], asked) == order


def test_a_level_between_two_steps_keeps_the_piece_of_its_step(asked) -> None:
    denoise = scheduled([(1, conditional("a")), (5, conditional("b"))], LEVELS)
    assert conditions(denoise, [11.0, 9.0, 8.0, 7.0], asked) == "aabb"


def test_alternatives_take_turns(asked) -> None:
    denoise = alternating([conditional("a"), conditional("b"), conditional("c")], LEVELS)
    assert conditions(denoise, [10.0, 9.0, 8.0, 6.0, 4.0, 2.0, 1.0], asked) == "aabcabb"


def test_one_composed_piece_is_guidance_to_the_last_bit(asked, picture) -> None:
    x = picture(1)
    both = composed([(7.5, conditional("a"))], conditional("b")), guided(cfg(7.5), conditional("a"), conditional("b"))
    (ours, goes), (theirs, _) = (asked(denoise(x, LEVELS[0]), shifted) for denoise in both)
    assert goes == [2]
    np.testing.assert_array_equal(ours.clean, theirs.clean)
    np.testing.assert_array_equal(ours.base, theirs.base)


def test_composed_pieces_add_up_from_the_base_in_one_go(asked) -> None:
    denoise = composed([(2.0, conditional("a")), (-0.5, conditional("b"))], conditional("c"))
    (clean, base), goes = asked(denoise(np.zeros((1, 1, 1, 1)), LEVELS[0]), shifted)
    assert goes == [3]
    assert clean.item() == 300.0 + 2.0 * (1.0 - 300.0) - 0.5 * (20.0 - 300.0)
    assert base.item() == 300.0


def test_regions_blend_in_proportion_to_their_masks_in_one_go(asked, xp) -> None:
    left, right = np.array([[1.0, 1.0, 0.0]]), np.array([[0.0, 3.0, 0.5]])
    denoise = regional([(xp.array(left), conditional("a")), (xp.array(right), conditional("b"))])
    (clean, base), goes = asked(denoise(xp.array(np.zeros((2, 1, 1, 3))), LEVELS[0]), shifted)
    assert goes == [2]
    assert base is clean
    np.testing.assert_allclose(xp.numpy(clean), np.broadcast_to([1.0, 0.25 + 15.0, 20.0], (2, 1, 1, 3)), rtol=1e-15)


def test_regions_under_guidance_blend_their_bases_too(asked) -> None:
    pieces = [guided(cfg(2.0), conditional("a"), conditional("b")), conditional("c")]
    half = np.full((1, 1), 0.5)
    estimate, goes = asked(regional([(half, piece) for piece in pieces])(np.zeros((1, 1, 1, 1)), LEVELS[0]), shifted)
    assert goes == [3]
    assert estimate == Estimate(np.array([[[[(-18.0 + 300.0) / 2]]]]), np.array([[[[(20.0 + 300.0) / 2]]]]))


def test_regions_must_cover_the_picture() -> None:
    with pytest.raises(UserError, match="under no region"):
        regional([(np.array([[1.0, 0.0]]), conditional("a"))])
