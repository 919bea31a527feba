"""Pictures spoilt on purpose: by settings that are known to be bad, and by what is done to files afterwards."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SANE = {"sampler": "DPM++ 2M Karras", "steps": 20, "cfg": 4.0}

SETTINGS = {
    "clean": SANE,
    "clean, UniPC, CFG 5": {"sampler": "UniPC Karras", "steps": 20, "cfg": 5.0},
    "clean, Euler a": {"sampler": "Euler a", "steps": 28, "cfg": 4.0},
    "CFG 15": {**SANE, "cfg": 15.0},
    "CFG 20": {**SANE, "cfg": 20.0},
    "4 steps": {**SANE, "steps": 4},
    "6 steps": {**SANE, "steps": 6},
    "LCM": {**SANE, "sampler": "LCM"},
    "DPM fast, 10 steps": {"sampler": "dpm_fast", "steps": 10, "cfg": 4.0},
    "CFG 15 and 5 steps": {**SANE, "cfg": 15.0, "steps": 5},
}
"""Settings by what is wrong with them."""


def noisy(image):
    rng = np.random.default_rng(1)
    return _bytes(image + rng.normal(0.0, 8.0, image.shape))


def blurred(image):
    return _bytes(ndimage.gaussian_filter(image.astype(float), (1.0, 1.0, 0.0)))


def seamed(image):
    rows, columns = np.indices(image.shape[:2]) // 16
    return _bytes(image + np.where((rows + columns) % 2, 5.0, -5.0)[..., None])


def clipped(image):
    return _bytes((image.astype(float) - 128.0) * 1.7 + 128.0)


AFTERWARDS = {"noise": noisy, "blur": blurred, "seams": seamed, "clipped": clipped}
"""What is done to a picture, by the flaw that it makes."""

EXPECTED = {
    "clean": set(),
    "clean, UniPC, CFG 5": set(),
    "clean, Euler a": set(),
    "CFG 15": {"fried"},
    "CFG 20": {"fried"},
    "4 steps": {"too few steps"},
    "6 steps": {"too few steps"},
    "LCM": {"sampler mismatch"},
    "DPM fast, 10 steps": {"sampler mismatch"},
    "CFG 15 and 5 steps": {"fried", "too few steps"},
    **{flaw: {flaw} for flaw in AFTERWARDS},
}


def _bytes(image):
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
