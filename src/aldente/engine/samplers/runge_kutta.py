"""Second-order single-step methods in sigma: Heun and the geometric midpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import Level, with_sigma
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import ancestral, renoise, slope, transfer


@dataclass(frozen=True, kw_only=True)
class Heun:
    """The mean of the slopes at both ends [Karras 2022, Alg. 1]."""

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """Two evaluations; nothing is remembered."""
        level, target = move.level, move.target
        clean, _ = yield from denoise(x, level)
        first = slope(x, level, clean)
        width = target.sigma - level.sigma
        end = x + width * first
        clean, _ = yield from denoise(end, target)
        return x + (0.5 * width) * (first + slope(end, target, clean)), None


def _midpoint(denoise: Denoiser, x: Latent, level: Level, target: Level) -> Asking[Latent]:
    """The latent at ``target`` by the slope half-way in ln sigma; Euler's if ``target`` is noise-free."""
    clean, _ = yield from denoise(x, level)
    if target.sigma == 0.0:
        return transfer(x, level, target, clean)
    middle = with_sigma(level, math.sqrt(level.sigma * target.sigma))
    there = x + (middle.sigma - level.sigma) * slope(x, level, clean)
    clean, _ = yield from denoise(there, middle)
    return x + (target.sigma - level.sigma) * slope(there, middle, clean)


@dataclass(frozen=True, kw_only=True)
class DPM2:
    """The slope at the geometric midpoint, used over the whole step [Lu 2022, Alg. 1; Crowson 2022]."""

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """Two evaluations; nothing is remembered."""
        return (yield from _midpoint(denoise, x, move.level, move.target)), None


@dataclass(frozen=True, kw_only=True)
class DPM2Ancestral:
    """DPM2 past the target and noise back up to it; ``eta`` 0 is DPM2 [Crowson 2022]."""

    eta: float = 1.0
    s_noise: float = 1.0

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """Two evaluations, one where the noise is all new; nothing is remembered."""
        split = ancestral(move.level, move.target, self.eta)
        down = yield from _midpoint(denoise, x, move.level, split.down)
        return renoise(down, split, move, self.s_noise, noise), None
