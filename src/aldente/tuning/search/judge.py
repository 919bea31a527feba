"""A picture judged: against the converged picture of its own guidance, and against the baseline for flaws."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aldente.quality.metric import Image
from aldente.quality.reference import rmse, ssim
from aldente.quality.table import FLAWS, flaws
from aldente.tuning.search.measured import Measured

BLOCKS = 4
"""A layout is the mean colour of so many by so many blocks."""


def judge(image: Image, baseline: Mapping[str, float], *, calls: int, seconds: float, adherence: float | None) -> Measured:
    """What a picture says by itself; ``baseline`` holds the signs of the same subject, converged, at the base's guidance."""
    signs = flaws(image)
    worse = {sign.name: sign.worsening(signs[sign.name], baseline[sign.name]) for sign in FLAWS}
    return Measured(calls=calls, seconds=seconds, adherence=adherence, worse=worse, layout=layout(image))


def near(row: Measured, image: Image, converged: Image, *, jnd: float) -> Measured:
    """The row with the distance of its picture to the converged one; ``jnd`` is in 8-bit steps."""
    return row.model_copy(update={"error": rmse(image, converged) / jnd, "similarity": ssim(image, converged)})


def layout(image: Image) -> tuple[int, ...]:
    """The mean colour of each block of a picture, 0 to 255, row by row."""
    rows = np.array_split(np.asarray(image, dtype=np.float64), BLOCKS, axis=0)
    means = [block.mean(axis=(0, 1)) for row in rows for block in np.array_split(row, BLOCKS, axis=1)]
    return tuple(round(float(value)) for mean in means for value in mean)
