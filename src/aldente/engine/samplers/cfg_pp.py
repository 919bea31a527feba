"""CFG++: any sampler, renoised along the unguided estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent
from aldente.engine.levels import Level
from aldente.engine.trajectory import Move, Sampler, StepNoise


@dataclass(frozen=True, kw_only=True)
class CFGPlusPlus:
    """``inner``, told that the noise of the latent is what the base estimate leaves of it [Chung 2024, Alg. 2].

    The latent is moved by alpha (clean - base) before the inner step, so that Euler's becomes
    alpha' clean + (sigma' / sigma) (x - alpha base). Without guidance it is ``inner``; with it the move is made once a step,
    so the result depends on their number by design, and the guidance scale is of the order of 1.
    """

    inner: Sampler

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: Any, noise: StepNoise) -> Asking[tuple[Latent, Any]]:
        """As many evaluations as ``inner`` makes: its first is made here, at the latent as it was."""
        here = yield from denoise(x, move.level)
        moved = x + move.level.alpha * (here.clean - here.base)

        def known(latent: Latent, level: Level) -> Asking[Estimate]:
            return here if latent is moved else (yield from denoise(latent, level))

        return (yield from self.inner.step(known, moved, move, memory, noise))
