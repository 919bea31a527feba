"""First-order steps."""

from __future__ import annotations

from dataclasses import dataclass

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import ancestral, renoise, transfer


@dataclass(frozen=True, kw_only=True)
class Euler:
    """Euler's method; the same step as DDIM at eta 0 and as the Euler step of flow models [Karras 2022, Alg. 1]."""

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """One evaluation; nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        return transfer(x, move.level, move.target, clean), None


@dataclass(frozen=True, kw_only=True)
class EulerAncestral:
    """Euler's method past the target and noise back up to it; ``eta`` 0 is Euler [Crowson 2022]."""

    eta: float = 1.0
    s_noise: float = 1.0

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """One evaluation; nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        split = ancestral(move.level, move.target, self.eta)
        return renoise(transfer(x, move.level, split.down, clean), split, move, self.s_noise, noise), None
