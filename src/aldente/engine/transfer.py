"""Moves between two levels when the estimate of the clean latent is given, and how an ancestral step is split."""

from __future__ import annotations

import math
from typing import NamedTuple

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level, flow
from aldente.engine.trajectory import Move, StepNoise


def transfer(x: Latent, level: Level, target: Level, clean: Latent) -> Latent:
    """The latent at ``target`` if ``clean`` is right: the first-order step of every method here [Song 2020, Eq. 12].

    The part of ``x`` that is not ``clean`` is scaled from one sigma to the other; ``target`` may be noise-free.
    """
    keep = target.sigma / level.sigma
    return keep * x + (target.alpha - keep * level.alpha) * clean


def slope(x: Latent, level: Level, clean: Latent) -> Latent:
    """dx/dsigma of the probability flow, the same for exploding and for flow levels [Karras 2022, Alg. 1]."""
    return (x - clean) * (1.0 / level.sigma)


class Split(NamedTuple):
    """A stochastic step as a deterministic one to ``down``, a factor ``scale`` on it, and ``up`` times unit noise."""

    down: Level
    scale: float
    up: float


def posterior(level: Level, target: Level, eta: float) -> Split:
    """The split whose noise at eta 1 is that of the exact posterior q(x' | x, x0) [Song 2020, Eq. 16]."""
    if eta == 0.0:
        return Split(target, 1.0, 0.0)
    ratio = target.sigma * level.alpha / (level.sigma * target.alpha)
    up = target.sigma * min(1.0, eta * math.sqrt(1.0 - ratio * ratio))
    down = math.sqrt((target.sigma - up) * (target.sigma + up))
    return Split(Level(target.alpha, down), 1.0, up)


def ancestral(level: Level, target: Level, eta: float) -> Split:
    """The split that ancestral samplers use: the posterior's on exploding levels, the linear one on flow levels.

    On flow levels sigma falls to b(1 + (b/a - 1)eta), and what was overshot comes back as noise, as the UIs do it.
    """
    if level.alpha == 1.0 or eta == 0.0:
        return posterior(level, target, eta)
    down = flow(max(0.0, target.sigma * (1.0 + (target.sigma / level.sigma - 1.0) * eta)))
    scale = target.alpha / down.alpha
    return Split(down, scale, math.sqrt(max(0.0, target.sigma**2 - (scale * down.sigma) ** 2)))


def renoise(x: Latent, split: Split, move: Move, s_noise: float, noise: StepNoise) -> Latent:
    """``x``, which stands at ``split.down``, brought back up to the target; no noise is drawn where none is added."""
    if split.scale != 1.0:
        x = split.scale * x
    amount = split.up * s_noise
    return x + amount * noise(move.level.sigma, move.target.sigma) if amount else x
