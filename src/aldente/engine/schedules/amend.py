"""Changes to a finished schedule and to a model's training variances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from aldente.engine.schedules.span import Sigmas


def discard_next_to_last(sigmas: Sigmas) -> Sigmas:
    """The schedule without its last level above 0, so the final step falls further.

    A1111 does so for DPM2 and UniPC: build one step more than asked and discard. A schedule of one step stays.
    """
    return (*sigmas[:-2], sigmas[-1]) if len(sigmas) > 2 else sigmas


def zero_terminal_snr(betas: Sequence[float]) -> tuple[float, ...]:
    """Training variances moved so that nothing of the picture is left at the last timestep [Lin 2023, Alg. 1].

    The last becomes 1: such a model must predict v, and its last noise level is infinite in exploding coordinates.
    """
    roots, kept = [], 1.0
    for beta in betas:
        kept *= 1.0 - beta
        roots.append(math.sqrt(kept))
    stretch = roots[0] / (roots[0] - roots[-1])
    bars = [((root - roots[-1]) * stretch) ** 2 for root in roots]
    return (1.0 - bars[0], *(1.0 - after / before for before, after in pairwise(bars)))
