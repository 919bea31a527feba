"""Churn: fresh noise before a step, so that a deterministic sampler explores [Karras 2022, Alg. 2]."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level, with_sigma
from aldente.engine.trajectory import Move, StepNoise


@dataclass(frozen=True, kw_only=True)
class Churn:
    """The lift that raises each level within [``s_tmin``, ``s_tmax``] by up to ``s_churn`` / steps of its sigma.

    The model is then asked at the raised level, on the last step too, as k-diffusion does. Only single-step samplers
    may be lifted. ``noise`` should be a stream of its own: the lifted intervals of neighbouring steps overlap, and the
    increments of one Brownian path over them would be correlated.
    """

    noise: StepNoise
    s_churn: float
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0

    def __call__(self, x: Latent, move: Move) -> tuple[Latent, Level]:
        """The noisier latent and its level; a flow level is raised to sigma 1 at most."""
        level = move.level
        gain = min(self.s_churn / move.steps, math.sqrt(2.0) - 1.0) if self.s_tmin <= level.sigma <= self.s_tmax else 0.0
        sigma = level.sigma * (1.0 + gain)
        lifted = with_sigma(level, sigma if level.alpha == 1.0 else min(sigma, 1.0))
        if lifted.sigma <= level.sigma:
            return x, level
        scale = lifted.alpha / level.alpha
        amount = self.s_noise * math.sqrt(lifted.sigma**2 - (scale * level.sigma) ** 2)
        return scale * x + amount * self.noise(level.sigma, lifted.sigma), lifted
