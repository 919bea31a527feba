"""The samplers of the discrete-time papers, written for any level: DDIM, DDPM and LCM."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import posterior, renoise


@dataclass(frozen=True, kw_only=True)
class DDIM:
    """The clean latent under the predicted noise and, with ``eta``, some fresh noise in its place [Song 2020, Eq. 12]."""

    eta: float = 0.0
    s_noise: float = 1.0

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """One evaluation; nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        split = posterior(move.level, move.target, self.eta)
        predicted = (x - move.level.alpha * clean) * (1.0 / move.level.sigma)
        return renoise(move.target.alpha * clean + split.down.sigma * predicted, split, move, self.s_noise, noise), None


@dataclass(frozen=True, kw_only=True)
class DDPM:
    """A draw from the posterior q(x' | x, x0) with the estimate in the place of x0 [Ho 2020, Eq. 6-7]; DDIM at eta 1."""

    s_noise: float = 1.0

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """One evaluation; nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        level, target = move.level, move.target
        fade = level.alpha / target.alpha
        share = (target.sigma / level.sigma) ** 2
        fresh = 1.0 - fade * fade * share
        mean = (fade * share) * x + (target.alpha * fresh) * clean
        amount = self.s_noise * target.sigma * math.sqrt(fresh)
        return mean + amount * noise(level.sigma, target.sigma) if amount else mean, None


@dataclass(frozen=True, kw_only=True)
class LCM:
    """The estimate under all-new noise, for models distilled to answer in one step [Luo 2023].

    Not a solver: more steps do not bring it nearer to a limit.
    """

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """One evaluation; nothing is remembered, not even ``x``."""
        clean, _ = yield from denoise(x, move.level)
        return move.target.alpha * clean + move.target.sigma * noise(move.level.sigma, move.target.sigma), None
