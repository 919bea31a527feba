"""SA-Solver: stochastic Adams steps, predicted and corrected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import Level, log_snr
from aldente.engine.samplers.adams import require_order
from aldente.engine.samplers.exponential import Node, blend, decay_moments, nodes_with, weights
from aldente.engine.trajectory import Move, StepNoise


class Step(NamedTuple):
    """What the corrector needs of the last step: its start, its estimates and ``fresh``, the noise it added (or None)."""

    level: Level
    x: Latent
    nodes: tuple[Node, ...]
    fresh: Latent | None


@dataclass(frozen=True, kw_only=True)
class SASolver:
    """The reverse SDE with noise of strength ``tau``, by Adams steps through ``order`` estimates [Xue 2023].

    The corrector redoes the last step with the new estimate and the same noise. ``tau`` 0 is the probability flow.
    """

    tau: float = 1.0
    order: int = 3
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        require_order("sa_solver", self.order, 3)

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: Step | None, noise: StepNoise
    ) -> Asking[tuple[Latent, Step]]:
        """One evaluation; the step's start, its estimates and its noise are remembered."""
        clean, _ = yield from denoise(x, move.level)
        past: tuple[Node, ...] = ()
        if memory is not None:
            past = memory.nodes
            if math.isfinite(log_snr(memory.level)):
                arrived = Node(log_snr(move.level), clean)
                x = self._advance(memory._replace(nodes=(*memory.nodes, arrived)), move.level)
        nodes = nodes_with(move.level, clean, past, self.order)
        here = Step(move.level, x, nodes, self._fresh(move, noise))
        return self._advance(here, move.target), here

    def _fresh(self, move: Move, noise: StepNoise) -> Latent | None:
        if not self.tau or not self.s_noise:
            return None
        width = log_snr(move.target) - log_snr(move.level)
        amount = self.s_noise * move.target.sigma * math.sqrt(-math.expm1(-2.0 * self.tau**2 * width))
        return amount * noise(move.level.sigma, move.target.sigma)

    def _advance(self, start: Step, target: Level) -> Latent:
        """The stochastic Adams step through all nodes of ``start``."""
        here = start.nodes[0]
        width = log_snr(target) - here.log_snr
        decay = (1.0 + self.tau**2) * width
        # 0 * inf is not a number, so the exponent is left out where there is no noise.
        shrink = math.exp(-(self.tau**2) * width) if self.tau else 1.0
        if len(start.nodes) == 1:
            weight = [-math.expm1(-decay)]
        else:
            places = [(node.log_snr - here.log_snr) / width for node in start.nodes]
            weight = weights(places, decay_moments(decay, len(places)))
        x = (shrink * target.sigma / start.level.sigma) * start.x
        x = x + target.alpha * blend(weight, [node.clean for node in start.nodes])
        return x if start.fresh is None else x + start.fresh
