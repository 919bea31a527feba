"""Control pictures without a model: lines where there are edges, and the same bits every time."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.models.preprocessing import find_preprocessor, preprocessors

SQUARE = np.zeros((32, 40, 3), np.uint8)
SQUARE[8:24, 10:30] = (250, 240, 230)
NOISE = np.random.default_rng(5).integers(0, 256, (33, 47, 3), dtype=np.uint8)


def applied(name, image):
    return find_preprocessor(name).apply(image)


@pytest.mark.parametrize("info", preprocessors(), ids=lambda info: info.name)
@pytest.mark.parametrize("image", [SQUARE, NOISE, np.full((1, 1, 3), 7, np.uint8), np.zeros((3, 20, 3), np.uint8)])
def test_it_makes_a_picture_of_the_same_size_twice_alike_and_leaves_its_own(info, image):
    before = image.copy()
    made = info.apply(image)
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, info.apply(image))
    np.testing.assert_array_equal(image, before)


def test_canny_draws_the_outline_one_pixel_wide():
    edges = applied("canny", SQUARE)[..., 0]
    assert set(np.unique(edges)) == {0, 255}
    rows, columns = np.nonzero(edges)
    assert {rows.min(), rows.max(), columns.min(), columns.max()} <= {7, 8, 9, 10, 23, 24, 29, 30}
    assert (edges[16] > 0).sum() == 2
    assert (edges[:, 20] > 0).sum() == 2


def test_canny_leaves_faint_steps_out_and_follows_them_from_strong_ones():
    faint = np.zeros((20, 20, 3), np.uint8)
    faint[:, 10:] = 30
    assert not applied("canny", faint).any()
    faint[:6, 10:] = 200
    strong = faint.copy()
    edges = applied("canny", strong)[..., 0]
    assert edges[3].any()
    assert edges[12].any(), "the faint part hangs on the strong one"


def test_scribble_is_white_strokes_on_black_where_something_is():
    line = np.full((40, 40, 3), 240, np.uint8)
    line[10:30, 19:21] = 10
    strokes = applied("scribble", line)[..., 0]
    assert set(np.unique(strokes)) == {0, 255}
    assert strokes[12:28, 19:21].min() == 255
    assert strokes[:, :16].max() == strokes[:, 24:].max() == 0


def test_a_silhouette_is_what_stands_before_the_background_with_what_is_white_in_it():
    picture = np.full((40, 40, 3), 250, np.uint8)
    picture[10:30, 12:28] = (200, 40, 40)
    picture[15:20, 15:20] = 250  # a white button
    picture[0, 5] = (0, 90, 0)  # a speck at the rim
    shape = find_preprocessor("silhouette").apply(picture)[..., 0] > 0
    expected = np.zeros((40, 40), dtype=bool)
    expected[10:30, 12:28] = expected[0, 5] = True
    assert np.array_equal(shape, expected)


def test_tones_are_what_their_names_say():
    np.testing.assert_array_equal(applied("invert", applied("invert", NOISE)), NOISE)
    assert set(np.unique(applied("threshold", NOISE))) == {0, 255}
    assert applied("blur", NOISE).std() < 0.2 * NOISE.std()
    white, grey = np.full((2, 2, 3), 255, np.uint8), np.full((2, 2, 3), 119, np.uint8)
    assert applied("recolor_luminance", white).max() == 255
    assert applied("recolor_luminance", grey)[0, 0, 0] == pytest.approx(127.5, abs=1.5), "L* 50 is the middle"
    assert applied("recolor_intensity", SQUARE)[16, 16].tolist() == [250, 250, 250]


def test_shuffle_keeps_the_colours_and_moves_them():
    moved = applied("shuffle", SQUARE)
    assert np.abs(moved.astype(int) - SQUARE).mean() > 20
    assert moved.min() == 0
    assert moved.max() == 250


def test_tile_keeps_the_mean_of_every_block():
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blocks = image.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(applied("tile", image)[::8, ::8], blocks, atol=0.51)


def test_names_of_other_programs_are_known_and_odd_ones_told():
    assert find_preprocessor("Scribble_XDoG").name == "scribble"
    assert find_preprocessor("tile_resample").name == "tile"
    with pytest.raises(UserError, match="did you mean 'canny'"):
        find_preprocessor("cany")
