"""The shipped weights draw what they drew when they were shipped."""

import numpy as np
from recorded_pictures import drawn, recipes, recorded

WORST, MEAN = 24, 0.5
"""Steps of 255 by which one value, and all on average, may differ on another machine: see docs/pastina.md."""


def test_forty_recipes_draw_the_recorded_pictures():
    old, new = recorded(), drawn()
    assert len(old) == len(new) == len(recipes()) == 40
    differences = [np.abs(a.astype(int) - b) for a, b in zip(old, new, strict=True)]
    assert max(each.max() for each in differences) <= WORST
    assert max(each.mean() for each in differences) <= MEAN


def test_the_record_tells_the_pictures_apart():
    pictures = recorded()
    nearest = min(np.abs(a.astype(int) - b).mean() for i, a in enumerate(pictures) for b in pictures[:i])
    assert nearest > 6 * MEAN
