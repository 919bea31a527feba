"""The refined exponential solver, multistep form."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import log_snr
from aldente.engine.samplers.exponential import Node, nodes_with, phi
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import ancestral, renoise, transfer


@dataclass(frozen=True, kw_only=True)
class ResMultistep:
    """2M with the exact coefficient phi_2 for the change of the estimate [Zhang 2023b, Eq. 15].

    With ``eta`` the step ends below the target and noise leads back up; the estimates keep the places where they were
    made, which other implementations confuse with the places the steps ended at.
    """

    eta: float = 0.0
    s_noise: float = 1.0

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: tuple[Node, ...] | None, noise: StepNoise
    ) -> Asking[tuple[Latent, tuple[Node, ...]]]:
        """One evaluation; the last estimate is remembered."""
        clean, _ = yield from denoise(x, move.level)
        nodes = nodes_with(move.level, clean, memory or (), 2)
        split = ancestral(move.level, move.target, self.eta)
        width = log_snr(split.down) - nodes[0].log_snr
        x = transfer(x, move.level, split.down, clean)
        if len(nodes) == 2 and math.isfinite(width):
            weight = split.down.alpha * width * phi(2, -width) * width / (nodes[0].log_snr - nodes[1].log_snr)
            x = x + weight * (clean - nodes[1].clean)
        return renoise(x, split, move, self.s_noise, noise), nodes[:1]
