"""Signs against values that can be worked out by hand."""

import numpy as np
import pytest
from flawed_pictures import blurred, emoji, landscape, noisy, photograph
from scipy import ndimage

from aldente.quality.clipping import blown, clipped, clipped_area, crushed, extreme
from aldente.quality.colour import cast, chroma, colourfulness
from aldente.quality.noise import flat_noise, haar_noise
from aldente.quality.planes import lab, luma, page, saturation, subject
from aldente.quality.seams import lattice, seam_score
from aldente.quality.sharpness import detail, laplacian, overshoot, tenengrad
from aldente.quality.structure import composition


def plain(colour, size=(32, 32)):
    return np.broadcast_to(np.array(colour, np.uint8), (*size, 3)).copy()


def test_lab_of_the_primaries_is_the_published_one():
    assert lab(plain([255, 255, 255]))[0, 0] == pytest.approx([100, 0, 0], abs=1e-3)
    assert lab(plain([255, 0, 0]))[0, 0] == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert lab(plain([0, 0, 255]))[0, 0] == pytest.approx([32.30, 79.19, -107.86], abs=0.02)
    assert lab(plain([0, 0, 0]))[0, 0] == pytest.approx([0, 0, 0], abs=1e-9)


def test_luma_and_saturation_of_known_colours():
    assert luma(plain([255, 0, 0]))[0, 0] == pytest.approx(76.245)
    assert saturation(plain([200, 100, 50]))[0, 0] == pytest.approx(0.75)
    assert saturation(plain([0, 0, 0]))[0, 0] == 0.0


def test_grey_has_no_colour_and_red_has_its_formula():
    assert colourfulness(plain([90, 90, 90])) == 0.0
    assert chroma(plain([90, 90, 90])) == pytest.approx(0.0, abs=0.01)
    # rg = 200, yb = 100, no variance: .3 * sqrt(200^2 + 100^2).
    assert colourfulness(plain([200, 0, 0])) == pytest.approx(0.3 * np.hypot(200, 100))


def test_a_cast_is_a_shift_of_the_mean_colour_over_the_spread():
    assert cast(plain([128, 128, 128])) < 0.02
    assert cast(plain([160, 128, 96])) > 5


def test_the_page_is_the_paper_and_not_the_whites_inside():
    image = plain([255, 255, 255], (64, 64))
    image[16:48, 16:48] = [200, 40, 40]
    image[28:36, 28:36] = 255
    assert page(image).mean() == pytest.approx(1 - (32 / 64) ** 2)
    assert blown(image) == pytest.approx((8 / 32) ** 2)
    assert clipped_area(image) == pytest.approx(64 / 4096)
    assert extreme(image) == pytest.approx((8 / 32) ** 2)
    assert not page(landscape()).any()
    assert subject(plain([255, 255, 255])).all()


def test_crushed_counts_black():
    image = landscape().copy()
    image[:32] = 0
    assert crushed(image) == pytest.approx(0.25, abs=0.01)


def test_clipped_is_blown_and_crushed_together_and_no_pure_colour():
    image = plain([120, 120, 120])
    image[4:8, 4:12], image[20:24, 4:8], image[10:16, 20:26] = 255, 0, (255, 0, 0)
    assert clipped(image) == pytest.approx((4 * 8 + 4 * 4) / 32**2)
    assert clipped(image) == pytest.approx(blown(image) + crushed(image))


@pytest.mark.parametrize("sigma", [2.0, 5.0, 9.0])
def test_noise_is_measured_in_its_own_sigma(sigma):
    grey = np.repeat(np.random.default_rng(1).normal(128, sigma, (128, 128, 1)), 3, axis=2)
    image = np.clip(np.round(grey), 0, 255).astype(np.uint8)
    assert flat_noise(image) == pytest.approx(sigma, rel=0.08)
    # A median of half steps is coarse at small sigmas.
    assert haar_noise(image) == pytest.approx(sigma, rel=0.13)


def test_noise_beside_texture_is_read_on_the_flat_part():
    textured = landscape().astype(float)
    textured[80:] += np.random.default_rng(5).normal(0, 30, (48, 160, 1))
    assert flat_noise(np.clip(textured, 0, 255).astype(np.uint8)) < 2 * flat_noise(landscape())


def test_sharpness_falls_with_blur_by_every_measure():
    for measure in (laplacian, tenengrad, detail):
        assert measure(blurred(photograph(), 1.5)) < 0.6 * measure(photograph()), measure.__name__


def test_a_halo_is_an_overshoot_and_a_soft_edge_is_none():
    ramp = np.clip((np.arange(64) - 32) * 4.0 + 128, 60, 196)
    edge = ndimage.gaussian_filter1d(np.where(np.arange(64) < 32, 60.0, 196.0), 2.0)
    halo = edge + 40 * (edge - ndimage.gaussian_filter1d(edge, 4.0)) / 20
    as_image = lambda row: np.repeat(np.broadcast_to(np.round(row), (64, 64))[..., None], 3, axis=2).astype(np.uint8)  # noqa: E731
    assert overshoot(as_image(ramp)) < 1.0
    assert overshoot(as_image(halo)) > 5 * max(overshoot(as_image(edge)), 0.5)


def test_a_seam_stands_out_only_where_it_is():
    seamed = photograph().astype(float)
    seamed[192:] *= 1.06
    seamed = np.clip(seamed, 0, 255).astype(np.uint8)
    assert seam_score(seamed, rows=[192]) > 3 > seam_score(photograph(), rows=[192])
    assert seam_score(seamed, rows=[100]) < 1
    assert seam_score(np.ascontiguousarray(seamed.swapaxes(0, 1)), columns=[192]) > 3


def test_a_lattice_of_16_is_found_and_one_of_11_is_none():
    def checker(pitch):
        y, x = np.indices((128, 160)) // pitch
        return np.clip(landscape() + 5.0 * (((x + y) % 2) * 2 - 1)[..., None], 0, 255).astype(np.uint8)

    clean = lattice(landscape())
    assert lattice(checker(16)) - clean > 4
    assert abs(lattice(checker(11)) - clean) < 1.5


def test_composition_ignores_detail_and_sees_what_moved():
    photo = photograph()
    assert composition(photo, photo) == 0.0
    assert composition(photo, noisy(photo, 10)) < 0.05
    assert composition(photo, blurred(photo, 2)) < 0.05
    moved = np.roll(emoji(), 20, axis=1)
    assert composition(emoji(), moved) > 0.3
    assert composition(emoji(), 255 - emoji()) > 0.6
