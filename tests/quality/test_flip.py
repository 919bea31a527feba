"""FLIP against the authors' own program: values of flip-evaluator 1.7, recorded for pictures that are made here."""

import numpy as np
import pytest
from flawed_pictures import blurred, emoji, landscape, latticed, noisy, saturated, sharpened

from aldente.quality.flip import flip, flip_map

FLAWS = {
    "noise": lambda image: noisy(image, 8),
    "blur": lambda image: blurred(image, 1.2),
    "saturation": lambda image: saturated(image, 1.6),
    "sharpening": lambda image: sharpened(image, 1.2),
    "inversion": lambda image: 255 - image,
    "shift": lambda image: np.roll(image, 9, 1),
    "lattice": lambda image: latticed(image, 5),
}
RECORDED = {
    ("landscape", "noise"): 0.07918,
    ("landscape", "blur"): 0.03751,
    ("landscape", "saturation"): 0.32117,
    ("landscape", "sharpening"): 0.05712,
    ("landscape", "inversion"): 0.82518,
    ("landscape", "shift"): 0.13241,
    ("landscape", "lattice"): 0.09790,
    ("emoji", "noise"): 0.09308,
    ("emoji", "blur"): 0.08144,
    ("emoji", "saturation"): 0.22451,
    ("emoji", "sharpening"): 0.07897,
    ("emoji", "inversion"): 0.94167,
    ("emoji", "shift"): 0.40946,
    ("emoji", "lattice"): 0.08601,
}
PICTURES = {"landscape": landscape, "emoji": emoji}


@pytest.mark.parametrize(("picture", "flaw"), RECORDED)
def test_flip_is_that_of_its_authors(picture, flaw):
    clean = PICTURES[picture]()
    assert flip(FLAWS[flaw](clean), clean) == pytest.approx(RECORDED[picture, flaw], abs=1e-4)


@pytest.mark.parametrize("flaw", FLAWS)
def test_flip_is_that_of_the_installed_evaluator_at_every_pixel(flaw):
    evaluator = pytest.importorskip("flip_evaluator")
    clean = landscape()
    made = FLAWS[flaw](clean)
    theirs, _, _ = evaluator.evaluate((clean / 255).astype(np.float32), (made / 255).astype(np.float32), "LDR", True, False)
    assert np.abs(flip_map(made, clean) - np.asarray(theirs).squeeze()).max() < 1e-3


def test_the_error_is_where_the_difference_is():
    made = landscape().copy()
    made[20:30, 20:30] = [255, 0, 0]
    error = flip_map(made, landscape())
    assert error[25, 25] > 0.5
    assert error[100, 140] == 0.0


def test_nearer_to_the_screen_more_is_seen():
    clean = landscape()
    far, near = (flip_map(noisy(clean, 8), clean, pixels_per_degree=ppd).mean() for ppd in (120.0, 30.0))
    assert near > 1.5 * far
