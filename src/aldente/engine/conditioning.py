"""Several conditions in one picture: one after the other, in turn, or all at once.

A denoiser sees a level and no step number, so a run's progress is read off its levels: step i is where sigma lies in
(levels[i + 1], levels[i]]. A level between two steps belongs to the step under way.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, together
from aldente.engine.levels import Level


def step_of(levels: Sequence[Level], sigma: float) -> int:
    """The index of the step of a run that asks at ``sigma``; levels above the first belong to step 0."""
    reached = bisect_right(levels, -sigma, key=lambda level: -level.sigma)
    return min(max(reached - 1, 0), len(levels) - 2)


def switched(pieces: Sequence[tuple[float, Denoiser]]) -> Denoiser:
    """The first piece whose bound lies below sigma, else the last: ``[(5.0, coarse), (0.0, fine)]``."""

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        for above, piece in pieces:
            if level.sigma > above:
                return piece(x, level)
        return pieces[-1][1](x, level)

    return denoise


def scheduled(pieces: Sequence[tuple[int | float, Denoiser]], levels: Sequence[Level]) -> Denoiser:
    """Each piece until its step, the last to the end: ``[cat:dog:10]`` is ``[(10, cat), (1.0, dog)]``.

    A whole number counts steps, a float is a share of them; a share of a step is rounded down, as in A1111.
    """
    steps = len(levels) - 1
    ends = [end if isinstance(end, int) else math.floor(end * steps + 1e-9) for end, _ in pieces]

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        step = step_of(levels, level.sigma)
        chosen = next((i for i, end in enumerate(ends) if step < end), len(pieces) - 1)
        return pieces[chosen][1](x, level)

    return denoise


def alternating(pieces: Sequence[Denoiser], levels: Sequence[Level]) -> Denoiser:
    """The pieces in turn, one a step: ``[cow|horse]``."""

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        return pieces[step_of(levels, level.sigma) % len(pieces)](x, level)

    return denoise


def composed(pieces: Sequence[tuple[float, Denoiser]], base: Denoiser) -> Denoiser:
    """The base plus the sum of weight * (piece - base): the prompts all hold, ``AND`` [Liu 2022].

    With one piece it is classifier-free guidance, its weight the scale; multiply the weights by the scale.
    """

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        first, *others = yield from together([base(x, level), *(piece(x, level) for _, piece in pieces)])
        clean = first.clean
        for (weight, _), other in zip(pieces, others, strict=True):
            clean = clean + weight * (other.clean - first.clean)
        return Estimate(clean, first.clean)

    return denoise


def mixed(estimates: Sequence[Estimate], mix: Callable[[list[Latent]], Latent]) -> Estimate:
    """``mix`` of the clean estimates and of the bases, done once where they are the same."""
    clean = mix([estimate.clean for estimate in estimates])
    same = all(estimate.base is estimate.clean for estimate in estimates)
    return Estimate(clean, clean if same else mix([estimate.base for estimate in estimates]))
