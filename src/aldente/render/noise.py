"""The noise of one picture: where it starts, what its steps add, and the streams they come from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level
from aldente.engine.noise import brownian, find_rng, in_order, initial, started
from aldente.engine.noise.steps import independent
from aldente.engine.trajectory import StepNoise
from aldente.engine.variation import varied
from aldente.recipe.stages import Base, Source


class Noise(NamedTuple):
    """What a run needs of randomness; ``churn`` is a stream of its own."""

    start: Latent
    step: StepNoise
    churn: StepNoise


def noise_of(seed: int, base: Base | Source, rng: str, shape: tuple[int, int, int], level: Level) -> Noise:
    """The noise of a picture of latent ``shape`` (c h w) whose run starts at ``level``.

    Our own source keeps one Brownian path for all steps, so that more steps refine the same picture; the sources of other
    programs draw in order, as those programs do.
    """
    info = find_rng(rng)
    stream = info.stream(seed)
    like: NDArray[np.float32] = np.zeros((1, *shape), dtype=np.float32)
    unit = initial([stream], like)
    if base.variation_seed is not None and base.variation_strength is not None:
        unit = varied(unit, initial([info.stream(base.variation_seed)], like), base.variation_strength)
    start = started(unit, level)
    if info.by_level:
        return Noise(start, brownian([seed], like), independent([seed], like, purpose="churn"))
    step = in_order([stream], like)
    return Noise(start, step, step)
