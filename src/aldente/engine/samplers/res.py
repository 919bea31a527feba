"""The refined exponential solver, multistep form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import log_snr
from aldente.engine.samplers.exponential import phi
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import ancestral, renoise, transfer


class Last(NamedTuple):
    """The last step's estimate and the width in log SNR that the step went down, before noise led back up."""

    clean: Latent
    width: float


@dataclass(frozen=True, kw_only=True)
class ResMultistep:
    """2M with the exact coefficient phi_2 for the change of the estimate [Zhang 2023b].

    With ``eta`` each step ends below its target and noise leads back up. The change of the estimate is then counted over
    the whole way down: the noise undoes on average what it adds to the way, and so the step stays of weak order 2.
    """

    eta: float = 0.0
    s_noise: float = 1.0

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: Last | None, noise: StepNoise
    ) -> Asking[tuple[Latent, Last]]:
        """One evaluation; the last estimate and its step's width are remembered."""
        clean, _ = yield from denoise(x, move.level)
        split = ancestral(move.level, move.target, self.eta)
        width = log_snr(split.down) - log_snr(move.level)
        x = transfer(x, move.level, split.down, clean)
        if memory is not None and math.isfinite(width):
            weight = split.down.alpha * width * phi(2, -width) * width / memory.width
            x = x + weight * (clean - memory.clean)
        return renoise(x, split, move, self.s_noise, noise), Last(clean, width)
