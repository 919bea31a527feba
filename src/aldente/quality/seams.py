"""Signs of seams: steps along straight lines that the picture has no reason for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aldente.quality.metric import Image, Plane
from aldente.quality.planes import luma


def seam_score(image: Image, *, rows: Sequence[int] = (), columns: Sequence[int] = ()) -> float:
    """How far the steps at the given lines stand out from all other lines, in standard deviations of a line.

    ``rows`` are the first rows below a seam, ``columns`` the first columns right of one; at least one is needed.
    A line counts as its excess over its two neighbours, so that content that is busy as a whole does not.
    """
    plane = luma(image)
    across, down = _excess(plane), _excess(plane.T)
    at = np.concatenate([across[[row - 1 for row in rows]], down[[column - 1 for column in columns]]])
    others = np.concatenate([np.delete(across, [r - 1 for r in rows]), np.delete(down, [c - 1 for c in columns])])
    return float((at.mean() - others.mean()) / max(float(others.std()), 1e-9))


def _excess(plane: Plane) -> Plane:
    """For each line between two rows, how much larger its mean step is than that of the lines beside it."""
    step = np.abs(np.diff(plane, axis=0)).mean(axis=1)
    padded = np.pad(step, 1, mode="edge")
    excess: Plane = step - (padded[:-2] + padded[2:]) / 2
    return excess


def lattice(image: Image) -> float:
    """How much a regular lattice of 8 or 16 px shows: the mean excess step on its lines, in 8-bit steps.

    Patches, tiles of a decoder and JPEG blocks lie on such lines. The stronger of the two pitches counts; a picture of
    fewer than two such lines has none.
    """
    plane = luma(image)
    excess = (_excess(plane), _excess(plane.T))
    scores = [_pitch(excess, pitch) for pitch in (8, 16)]
    return max(scores)


def _pitch(excess: tuple[Plane, Plane], pitch: int) -> float:
    lines = np.concatenate([along[pitch - 1 :: pitch] for along in excess])
    return float(lines.mean()) if lines.size > 1 else 0.0
