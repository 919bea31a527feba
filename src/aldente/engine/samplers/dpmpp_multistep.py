"""DPM-Solver++ with one evaluation a step and a memory: 2M, 2M SDE and 3M SDE."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import log_snr
from aldente.engine.samplers.exponential import Node, nodes_with, phi
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import transfer

Nodes = tuple[Node, ...]


@dataclass(frozen=True, kw_only=True)
class DPMpp2M:
    """The estimate, extrapolated half a step ahead from the last two [Lu 2022b, Alg. 2]."""

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: Nodes | None, noise: StepNoise
    ) -> Asking[tuple[Latent, Nodes]]:
        """One evaluation; the last estimate is remembered."""
        clean, _ = yield from denoise(x, move.level)
        nodes = nodes_with(move.level, clean, memory or (), 2)
        if len(nodes) == 2:
            ahead = 0.5 * (log_snr(move.target) - nodes[0].log_snr) / (nodes[0].log_snr - nodes[1].log_snr)
            clean = clean + ahead * (clean - nodes[1].clean)
        return transfer(x, move.level, move.target, clean), nodes[:1]


def _diffuse(x: Latent, move: Move, clean: Latent, eta: float, s_noise: float, noise: StepNoise) -> Latent:
    """The exact step of the reverse SDE under a constant estimate; its limit where log SNR starts at minus infinity."""
    width = log_snr(move.target) - log_snr(move.level)
    # 0 * inf is not a number, so the exponent is left out where there is no noise.
    shrink = math.exp(-eta * width) if eta else 1.0
    keep = shrink * move.target.sigma / move.level.sigma
    x = keep * x + (-move.target.alpha * math.expm1(-(1.0 + eta) * width)) * clean
    amount = s_noise * move.target.sigma * math.sqrt(-math.expm1(-2.0 * eta * width)) if eta else 0.0
    return x + amount * noise(move.level.sigma, move.target.sigma) if amount else x


@dataclass(frozen=True, kw_only=True)
class DPMpp2MSDE:
    """The 2M step of the reverse SDE; ``correction`` is how the change of the estimate is weighed [Lu 2022b]."""

    eta: float = 1.0
    s_noise: float = 1.0
    correction: Literal["midpoint", "heun"] = "midpoint"

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: Nodes | None, noise: StepNoise
    ) -> Asking[tuple[Latent, Nodes]]:
        """One evaluation; the last estimate is remembered."""
        clean, _ = yield from denoise(x, move.level)
        nodes = nodes_with(move.level, clean, memory or (), 2)
        x = _diffuse(x, move, clean, self.eta, self.s_noise, noise)
        if len(nodes) == 2:
            width = log_snr(move.target) - nodes[0].log_snr
            decay = (1.0 + self.eta) * width
            weight = -0.5 * math.expm1(-decay) if self.correction == "midpoint" else decay * phi(2, -decay)
            weight *= move.target.alpha * width / (nodes[0].log_snr - nodes[1].log_snr)
            x = x + weight * (clean - nodes[1].clean)
        return x, nodes[:1]


@dataclass(frozen=True, kw_only=True)
class DPMpp3MSDE:
    """The 3M step of the reverse SDE as every implementation has it: second order [Crowson 2022].

    Its second divided difference stands in for a second derivative, which is twice as large. ``curvature`` 1 is the
    published step; 2 puts that right, and the step is then of third order at ``eta`` 0. Below about ten evaluations
    the published, more cautious step is often the better one.
    """

    eta: float = 1.0
    s_noise: float = 1.0
    curvature: float = 1.0

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: Nodes | None, noise: StepNoise
    ) -> Asking[tuple[Latent, Nodes]]:
        """One evaluation; the last two estimates are remembered."""
        clean, _ = yield from denoise(x, move.level)
        nodes = nodes_with(move.level, clean, memory or (), 3)
        x = _diffuse(x, move, clean, self.eta, self.s_noise, noise)
        if len(nodes) > 1:
            width = log_snr(move.target) - nodes[0].log_snr
            decay = (1.0 + self.eta) * width
            first, second = _differences(nodes, width)
            x = x + (move.target.alpha * decay * phi(2, -decay)) * first
            if second is not None:
                x = x + (move.target.alpha * decay * phi(3, -decay) * self.curvature) * second
        return x, nodes[:2]


def _differences(nodes: Nodes, width: float) -> tuple[Latent, Latent | None]:
    """The first derivative at the newest node and the second divided difference, in units of the step's width."""
    before = (nodes[0].log_snr - nodes[1].log_snr) / width
    newer = (nodes[0].clean - nodes[1].clean) * (1.0 / before)
    if len(nodes) == 2:
        return newer, None
    earlier = (nodes[1].log_snr - nodes[2].log_snr) / width
    older = (nodes[1].clean - nodes[2].clean) * (1.0 / earlier)
    second = (newer - older) * (1.0 / (before + earlier))
    return newer + before * second, second
