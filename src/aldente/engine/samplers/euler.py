"""First-order steps."""

from __future__ import annotations

from dataclasses import dataclass

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.trajectory import Move, StepNoise


@dataclass(frozen=True, kw_only=True)
class Euler:
    """Euler's method; the same step as DDIM at eta 0 and as the Euler step of flow models [Karras 2022, Alg. 1]."""

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """One evaluation; nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        keep = move.target.sigma / move.level.sigma
        return keep * x + (move.target.alpha - keep * move.level.alpha) * clean, None
