"""Reference metrics against values worked out by hand or by definition."""

import math

import numpy as np
import pytest
from flawed_pictures import blurred, emoji, landscape, noisy, photograph
from hypothesis import given
from hypothesis import strategies as st

from aldente.quality.reference import IDENTICAL_DB, jpeg_rmse, latent_rms, mse, psnr, rmse, ssim


@given(st.integers(1, 100))
def test_a_constant_error_has_its_own_size(step):
    image = np.full((16, 16, 3), 100, np.uint8)
    other = image + np.uint8(step)
    assert mse(image, other) == step**2
    assert rmse(image, other) == step
    assert psnr(image, other) == pytest.approx(20 * math.log10(255 / step))


def test_identical_pictures_have_the_highest_psnr_and_ssim_1():
    assert psnr(photograph(), photograph()) == IDENTICAL_DB
    assert ssim(photograph(), photograph()) == pytest.approx(1.0, abs=1e-12)


def test_ssim_equals_its_definition_at_a_pixel():
    image, other = landscape(), noisy(landscape(), 12)
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    values = []
    for row, column in ((20, 30), (64, 100), (100, 50)):
        for channel in range(3):
            cut = np.s_[row - 5 : row + 6, column - 5 : column + 6, channel]
            a, b = image[cut].astype(float), other[cut].astype(float)
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = 2.55**2, 7.65**2
            values.append((2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    cuts = [(20, 30), (64, 100), (100, 50)]
    ours = [ssim(image[r - 5 : r + 6, c - 5 : c + 6], other[r - 5 : r + 6, c - 5 : c + 6]) for r, c in cuts]
    # On an 11 px cut only the centre pixel is counted, so the two must agree exactly.
    assert ours == pytest.approx([np.mean(values[i : i + 3]) for i in (0, 3, 6)], abs=1e-12)


def test_ssim_prefers_a_brighter_picture_to_a_blurred_one_of_equal_error():
    photo = photograph()
    soft = blurred(photo, 2.0)
    brighter = np.clip(photo + rmse(soft, photo), 0, 255).astype(np.uint8)
    assert ssim(brighter, photo) > ssim(soft, photo) + 0.1


def test_latent_distance_is_a_root_mean_square():
    assert latent_rms(np.zeros((1, 4, 8, 8), np.float32), np.full((1, 4, 8, 8), 0.5, np.float32)) == pytest.approx(0.5)


def test_the_jpeg_of_a_picture_is_about_a_just_noticeable_difference_away():
    for picture in (photograph(), landscape(), emoji()):
        assert 0.3 < jpeg_rmse(picture) < 4.0
        assert jpeg_rmse(picture, quality=50) > jpeg_rmse(picture)
