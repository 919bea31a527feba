"""DPM-Solver++ with two evaluations a step: 2S ancestral and SDE."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import log_snr, with_log_snr
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import ancestral, posterior, renoise, transfer


@dataclass(frozen=True, kw_only=True)
class DPMpp2SAncestral:
    """The estimate half-way in log SNR, used over the whole step to below the target; noise back up [Lu 2022b, Alg. 1]."""

    eta: float = 1.0
    s_noise: float = 1.0

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """Two evaluations, one where half-way is not finite (alpha 0 here, sigma 0 there); nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        split = ancestral(move.level, move.target, self.eta)
        half = 0.5 * (log_snr(move.level) + log_snr(split.down))
        if math.isfinite(half):
            middle = with_log_snr(move.level, half)
            clean, _ = yield from denoise(transfer(x, move.level, middle, clean), middle)
        return renoise(transfer(x, move.level, split.down, clean), split, move, self.s_noise, noise), None


@dataclass(frozen=True, kw_only=True)
class DPMppSDE:
    """Two stochastic steps from the same start: half-way in log SNR, then all the way by the estimate made there.

    Both noises are asked for by their interval; on one Brownian path they agree, which makes the step of weak order 2
    [Lu 2022b; Crowson 2022].
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """Two evaluations, one from the first flow level; nothing is remembered."""
        clean, _ = yield from denoise(x, move.level)
        half = 0.5 * (log_snr(move.level) + log_snr(move.target))
        if math.isfinite(half):
            middle = with_log_snr(move.level, half)
            there = self._descend(x, clean, move._replace(target=middle), noise)
            clean, _ = yield from denoise(there, middle)
        return self._descend(x, clean, move, noise), None

    def _descend(self, x: Latent, clean: Latent, move: Move, noise: StepNoise) -> Latent:
        split = posterior(move.level, move.target, self.eta)
        return renoise(transfer(x, move.level, split.down, clean), split, move, self.s_noise, noise)
