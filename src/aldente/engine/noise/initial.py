"""Where a run starts: unit noise brought to the first level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level
from aldente.engine.noise.sequence import Stream
from aldente.engine.noise.streams import per_image

Start = Literal["sigma", "max"]
"""How much noise a run starts with: ``sigma`` as in k-diffusion, ``max`` as the model saw it in training, picture included."""


def initial(streams: Sequence[Stream], like: Latent) -> Latent:
    """Unit noise shaped like ``like``, row i the first draw of ``streams[i]``."""
    return per_image(streams, like)


def started(noise: Latent, level: Level, start: Start = "sigma") -> Latent:
    """Unit noise scaled to ``level``: by sigma, or for ``max`` by sqrt(alpha^2 + sigma^2), the spread of a noised picture.

    Both are 1 at the first level of a flow model.
    """
    return noise * (math.hypot(level.alpha, level.sigma) if start == "max" else level.sigma)
