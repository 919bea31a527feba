"""UniPC: each evaluation first corrects the step that led to it and then predicts the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import Level, log_snr
from aldente.engine.samplers.adams import require_order
from aldente.engine.samplers.exponential import Node, blend, decay_moments, nodes_with, weights
from aldente.engine.trajectory import Move, StepNoise


class Step(NamedTuple):
    """What the corrector needs of the last step: where it began, at which latent, by which estimates."""

    level: Level
    x: Latent
    nodes: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True)
class UniPC:
    """The unified predictor-corrector in the estimate of the clean latent [Zhao 2023, Alg. 1-2].

    ``order`` is the predictor's; the corrector makes it one more. ``base`` is the function B(h) of the shortcut at two
    nodes, bh1 or bh2; with more nodes it cancels. Without ``corrector`` it is UniP.
    """

    order: int = 2
    base: Literal["bh1", "bh2"] = "bh1"
    corrector: bool = True

    def __post_init__(self) -> None:
        require_order("uni_pc", self.order, 3)

    def step(
        self, denoise: Denoiser, x: Latent, move: Move, memory: Step | None, noise: StepNoise
    ) -> Asking[tuple[Latent, Step]]:
        """One evaluation; the step's start and its estimates are remembered."""
        clean, _ = yield from denoise(x, move.level)
        past: tuple[Node, ...] = ()
        if memory is not None:
            past = memory.nodes
            if self.corrector and math.isfinite(log_snr(memory.level)):
                arrived = Node(log_snr(move.level), clean)
                x = self._advance(memory._replace(nodes=(*memory.nodes, arrived)), move.level)
        here = Step(move.level, x, nodes_with(move.level, clean, past, self.order))
        return self._advance(here, move.target), here

    def _advance(self, start: Step, target: Level) -> Latent:
        """The exponential Adams step through all nodes of ``start``."""
        here = start.nodes[0]
        width = log_snr(target) - here.log_snr
        keep = target.sigma / start.level.sigma
        if len(start.nodes) == 2:
            other = start.nodes[1]
            scale = width if self.base == "bh1" else -math.expm1(-width)
            share = 0.5 * scale * width / (other.log_snr - here.log_snr)
            weight = [-math.expm1(-width) - share, share]
        elif len(start.nodes) == 1:
            weight = [-math.expm1(-width)]
        else:
            places = [(node.log_snr - here.log_snr) / width for node in start.nodes]
            weight = weights(places, decay_moments(width, len(places)))
        return keep * start.x + target.alpha * blend(weight, [node.clean for node in start.nodes])
