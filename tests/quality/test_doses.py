"""Each flaw sign moves for its own flaw by at least a noticeable change, and not for foreign ones."""

from functools import cache

import numpy as np
import pytest
from flawed_pictures import (
    blurred,
    brightened,
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

from aldente.quality.table import FLAWS, flaws, metric

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
    "contrast": lambda image: contrasted(image, 1.15),
    "overexposure": lambda image: brightened(image, 1.15),
    "underexposure": lambda image: darkened(image, 25),
    "cast": lambda image: warmed(image, 0.1),
    "noise": lambda image: noisy(image, 3),
    "blur": lambda image: blurred(image, 0.6),
    "sharpening": lambda image: sharpened(image, 0.35),
    "lattice": lambda image: latticed(image, 2.5),
}
SATURATION = ("colourfulness", "oversaturated", "chroma")
CLIPPING = ("blown", "crushed", "extreme", "clipped_area")
KIN = {
    "over-saturation": (*SATURATION, "extreme"),
    "contrast": (*SATURATION, *CLIPPING),
    "overexposure": (*SATURATION, "blown", "extreme", "clipped_area"),
    "underexposure": ("oversaturated", "crushed", "extreme", "clipped_area"),
    "cast": ("cast", *SATURATION),
    "noise": ("flat_noise", "haar_noise", "ringing"),
    "blur": ("sharpness",),
    "sharpening": ("ringing", "overshoot"),
    "lattice": ("lattice",),
}
"""What a flaw may move: its own signs, and what it does as well (contrast clips and saturates). Every other sign is foreign."""

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


@cache
def gently(flaw, picture):
    """How much worse each sign is after a gentle dose, in noticeable changes."""
    clean = PICTURES[picture]()
    before, after = flaws(clean), flaws(GENTLE[flaw](clean))
    return {sign.name: sign.worsening(after[sign.name], before[sign.name]) for sign in FLAWS}


@pytest.mark.parametrize("name", [sign.name for sign in FLAWS])
@pytest.mark.parametrize("flaw", GENTLE)
def test_a_gentle_flaw_is_noticed_by_no_foreign_sign(flaw, name):
    if name in KIN[flaw]:
        assert max(gently(flaw, picture)[name] for picture in PICTURES) > 0, "a sign that its flaw never moves is not kin"
    else:
        found = {picture: gently(flaw, picture)[name] for picture in PICTURES}
        assert max(found.values()) < 1.0, found


def test_every_dose_is_told_from_every_other_by_the_sign_that_worsens_most():
    """Signs are noticed side by side: a plain dose of a flaw worsens a sign of its own more than any foreign one."""
    for flaw, dose in PLENTY.items():
        for picture in (photograph, landscape):
            before, after = flaws(picture()), flaws(dose(picture()))
            worse = {sign.name: sign.worsening(after[sign.name], before[sign.name]) for sign in FLAWS}
            foreign = max(worse[name] for name in worse if name not in KIN[flaw])
            assert max(worse[name] for name in KIN[flaw]) > foreign, (flaw, picture.__name__, worse)


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
