"""The one loop: from noise to a picture along a sequence of levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from aldente.engine.denoise import Asking, Denoiser, Latent
from aldente.engine.levels import Level

StepNoise = Callable[[float, float], Latent]
"""Unit noise, shaped like the latent, for the step between two sigmas; a function of the sigmas and never of the call order."""


class Move(NamedTuple):
    """One step of a run: from ``level`` to ``target``, the step of this ``number`` (from 0) among ``steps``."""

    level: Level
    target: Level
    number: int
    steps: int


class Sampler(Protocol):
    """A method of integration. It is a frozen value holding its options; what it must remember it returns.

    ``step`` is never asked to reach sigma = 0: the loop ends a run by one denoising.
    """

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: Any, noise: StepNoise) -> Asking[tuple[Latent, Any]]:
        """The latent at ``move.target`` and the memory for the next step; ``memory`` is None on the first."""
        ...


class Lift(Protocol):
    """A change of the latent before each step, to a level as noisy or noisier (see ``engine/churn.py``)."""

    def __call__(self, x: Latent, move: Move) -> tuple[Latent, Level]:
        """The latent and its new level."""
        ...


def trajectory(
    sampler: Sampler,
    denoise: Denoiser,
    x: Latent,
    levels: Sequence[Level],
    noise: StepNoise,
    *,
    lift: Lift | None = None,
) -> Asking[Latent]:
    """Carry ``x`` from ``levels[0]`` to ``levels[-1]``; a level of sigma 0 at the end is reached by one denoising."""
    memory: Any = None
    steps = len(levels) - 1
    for index in range(steps):
        move = Move(levels[index], levels[index + 1], index, steps)
        if lift is not None:
            x, level = lift(x, move)
            move = move._replace(level=level)
        if move.target.sigma == 0.0:
            x, _ = yield from denoise(x, move.level)
        else:
            x, memory = yield from sampler.step(denoise, x, move, memory, noise)
    return x
