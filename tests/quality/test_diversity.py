"""Diversity tells another layout from another palette, and neither from noise."""

import numpy as np
import pytest
from flawed_pictures import emoji, landscape, noisy

from aldente.engine.errors import UserError
from aldente.quality.diversity import layout_diversity, palette_diversity
from aldente.quality.metric import key
from aldente.quality.table import SPREADS, spreads


def square(top, left, colour):
    image = np.full((64, 64, 3), 200, np.uint8)
    image[top : top + 24, left : left + 24] = colour
    return image


BLUE, RED = [40, 40, 200], [200, 60, 40]


def test_equal_pictures_have_none():
    assert spreads([emoji(), emoji(), emoji()]) == {"layout_diversity@1": 0.0, "palette_diversity@1": 0.0}


def test_a_moved_subject_is_another_layout_of_the_same_palette():
    moved = [square(4, 4, BLUE), square(4, 36, BLUE), square(36, 20, BLUE)]
    assert palette_diversity(moved) == pytest.approx(0.0, abs=1e-9)
    assert layout_diversity(moved) > 10


def test_another_colour_of_like_lightness_is_another_palette_in_the_same_layout():
    coloured = [square(20, 20, [0, 130, 0]), square(20, 20, [190, 70, 70])]
    assert layout_diversity(coloured) < 3
    assert palette_diversity(coloured) > 20


def test_noise_is_not_diversity():
    grainy = [noisy(landscape(), sigma) for sigma in (0, 3, 6)]
    other = [landscape(), landscape()[:, ::-1].copy(), landscape()[::-1].copy()]
    assert layout_diversity(grainy) < 0.05 * layout_diversity(other)


def test_the_mean_is_over_pairs_in_any_order():
    a, b, c = square(4, 4, BLUE), square(4, 36, RED), emoji()
    pairs = [layout_diversity([a, b]), layout_diversity([b, c]), layout_diversity([a, c])]
    assert layout_diversity([c, a, b]) == pytest.approx(np.mean(pairs))
    assert palette_diversity([a, b, c]) == pytest.approx(palette_diversity([c, b, a]))


def test_uniform_colours_are_as_far_apart_as_their_lab():
    black, white = (np.full((16, 16, 3), value, np.uint8) for value in (0, 255))
    assert palette_diversity([black, white]) == pytest.approx(100.0, abs=1e-3)
    assert layout_diversity([black, white]) == pytest.approx(100.0, abs=1e-3)


@pytest.mark.parametrize("spread", SPREADS, ids=key)
def test_one_picture_or_two_sizes_are_refused_in_words(spread):
    with pytest.raises(UserError, match="at least 2 pictures of a prompt, not 1"):
        spread.compute([emoji()])
    with pytest.raises(UserError, match="these are 160 x 128, 64 x 64"):
        spread.compute([emoji(), landscape()])
