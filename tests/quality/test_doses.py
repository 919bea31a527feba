"""Each flaw sign moves for its own flaw by at least a noticeable change, and not for foreign ones."""

import numpy as np
import pytest
from flawed_pictures import (
    blurred,
    contrasted,
    darkened,
    emoji,
    landscape,
    latticed,
    noisy,
    photograph,
    saturated,
    sharpened,
    warmed,
)

from aldente.quality.table import FLAWS, metric

PLENTY = {
    "over-saturation": lambda image: saturated(image, 1.6),
    "contrast": lambda image: contrasted(image, 1.5),
    "underexposure": lambda image: darkened(image, 60),
    "cast": lambda image: warmed(image, 0.25),
    "noise": lambda image: noisy(image, 8),
    "blur": lambda image: blurred(image, 1.2),
    "sharpening": lambda image: sharpened(image, 1.2),
    "lattice": lambda image: latticed(image, 5),
}
OWN = {
    "colourfulness": "over-saturation",
    "oversaturated": "over-saturation",
    "chroma": "over-saturation",
    "cast": "cast",
    "blown": "contrast",
    "crushed": "underexposure",
    "extreme": "contrast",
    "clipped_area": "contrast",
    "flat_noise": "noise",
    "haar_noise": "noise",
    "sharpness": "blur",
    "ringing": "sharpening",
    "overshoot": "sharpening",
    "lattice": "lattice",
}
GENTLE = {
    "over-saturation": lambda image: saturated(image, 1.2),
    "noise": lambda image: noisy(image, 3),
    "blur": lambda image: blurred(image, 0.6),
    "lattice": lambda image: latticed(image, 2.5),
}
FOREIGN = {
    "over-saturation": ("flat_noise", "haar_noise", "sharpness", "ringing", "overshoot", "lattice", "blown", "crushed"),
    "noise": ("colourfulness", "chroma", "cast", "blown", "crushed", "extreme", "clipped_area", "sharpness", "lattice"),
    "blur": tuple(sign.name for sign in FLAWS if sign.name != "sharpness"),
    "lattice": tuple(sign.name for sign in FLAWS if sign.name != "lattice"),
}
PICTURES = {"photograph": photograph, "landscape": landscape, "emoji": emoji}


def worsening(sign, flawed, clean):
    return sign.worsening(sign.compute(flawed), sign.compute(clean))


@pytest.mark.parametrize("name", OWN)
def test_a_plain_dose_of_its_own_flaw_is_noticed(name):
    sign = metric(name)
    doses = [worsening(sign, PLENTY[OWN[name]](picture()), picture()) for picture in (photograph, landscape)]
    assert max(doses) >= 1.0, doses


def test_every_flaw_of_the_table_has_a_dose():
    assert set(OWN) == {sign.name for sign in FLAWS}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("flaw", FOREIGN)
def test_a_gentle_foreign_flaw_is_not_noticed(flaw, picture):
    clean = PICTURES[picture]()
    flawed = GENTLE[flaw](clean)
    found = {name: worsening(metric(name), flawed, clean) for name in FOREIGN[flaw]}
    assert max(found.values()) < 1.0, found


@pytest.mark.parametrize("flaw", ["over-saturation", "noise", "blur", "sharpening", "lattice"])
def test_more_of_a_flaw_reads_as_more(flaw):
    dose = {
        "over-saturation": ("chroma", lambda k: saturated(landscape(), 1 + 0.3 * k)),
        "noise": ("flat_noise", lambda k: noisy(landscape(), 3 * k)),
        "blur": ("sharpness", lambda k: blurred(landscape(), 0.5 * k)),
        "sharpening": ("overshoot", lambda k: sharpened(landscape(), 0.5 * k)),
        "lattice": ("lattice", lambda k: latticed(landscape(), 2 * k)),
    }
    name, apply = dose[flaw]
    sign = metric(name)
    readings = [worsening(sign, apply(k), landscape()) for k in range(1, 5)]
    assert np.all(np.diff([0.0, *readings]) > 0), readings


def test_a_white_page_is_no_flaw():
    for name in ("blown", "extreme", "clipped_area", "crushed"):
        assert metric(name).compute(emoji()) < 0.01, name
