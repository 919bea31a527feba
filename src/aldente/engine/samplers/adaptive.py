"""DPM++ 2M in steps as wide as a tolerance allows, chosen for each image from estimates that are there anyway."""

from __future__ import annotations

import math
from dataclasses import dataclass

from array_api_compat import array_namespace

from aldente.engine.denoise import Asking, Denoiser, Latent, together
from aldente.engine.errors import UserError
from aldente.engine.levels import log_snr, with_log_snr
from aldente.engine.samplers.dpm import NEARLY_ONE, off_the_edge
from aldente.engine.samplers.exponential import Node
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import transfer

FIRST = 3.0
"""The first step's width in log SNR over the square root of the tolerance: with one estimate there is nothing to judge by."""

GROWTH = 2.0
"""A step is at most so many times as wide as the one before, and at least the inverse: an extrapolation reaches no further."""

NEARLY_THERE = 1e-9
"""A step that would leave less log SNR than this goes all the way."""

HALVINGS = 40


@dataclass(frozen=True, kw_only=True)
class DPMpp2MAdaptive:
    """A whole run of DPM++ 2M whose steps are as wide as ``rtol`` allows [Lu 2022b, Alg. 2].

    The steps of orders one and two share their evaluations, and their difference is the error of the first. It is known
    before the step is made: its width is solved for, no step is made twice, and no evaluation serves the choice alone.
    ``rtol`` bounds the root mean square of that difference over what the latent holds, sqrt(alpha^2 + sigma^2). The number
    of steps follows from the picture. Each image of a batch finds its own.
    """

    rtol: float = 0.05

    def __post_init__(self) -> None:
        if not self.rtol > 0.0:
            raise UserError(f"sampler 'dpmpp_2m_adaptive': rtol is {self.rtol}; it must be greater than 0.")

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """As many evaluations as it takes, on levels of its own; nothing is remembered."""
        if x.shape[0] == 1:
            return (yield from self._integrate(denoise, x, move)), None
        images = yield from together([self._integrate(denoise, x[i : i + 1, ...], move) for i in range(x.shape[0])])
        return array_namespace(x).concat(images, axis=0), None

    def _integrate(self, denoise: Denoiser, x: Latent, move: Move) -> Asking[Latent]:
        x, move = yield from off_the_edge(denoise, x, move, NEARLY_ONE)
        level, end = move.level, log_snr(move.target)
        width, before = FIRST * math.sqrt(self.rtol), None
        while log_snr(level) < end:
            clean, _ = yield from denoise(x, level)
            node = Node(log_snr(level), clean)
            change = None
            if before is not None:
                # The change of the estimate for each unit of log SNR.
                change = (clean - before.clean) * (1.0 / (node.log_snr - before.log_snr))
                width = self._width(node.log_snr, node.log_snr - before.log_snr, change)
            left = end - node.log_snr
            target = move.target if width > left - NEARLY_THERE else with_log_snr(level, node.log_snr + width)
            if change is not None:
                clean = clean + (0.5 * (log_snr(target) - node.log_snr)) * change
            x, level, before = transfer(x, level, target, clean), target, node
        return x

    def _width(self, here: float, last: float, change: Latent) -> float:
        """The widest step that keeps the tolerance, by bisection; the error rises with the width."""
        xp = array_namespace(change)
        speed = math.sqrt(float(xp.mean(change * change)))
        low, high = last / GROWTH, last * GROWTH
        if _error(here, high, speed) <= self.rtol:
            return high
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if _error(here, middle, speed) <= self.rtol else (low, middle)
        return low


def _error(here: float, width: float, speed: float) -> float:
    """The error of the first-order step over the latent's size at its end, for an estimate that changes with ``speed``."""
    return -math.expm1(-width) * 0.5 * width * speed / math.hypot(1.0, math.exp(-here - width))
