"""Schedules as shortest paths: which levels of a teacher's run to keep, by the local error of the solver itself.

A teacher's run has a latent and an estimate at each of its many levels. A step of the solver from one of them to another,
begun at the teacher's latent with the teacher's estimates, misses the teacher's latent there by the step's local error, and no
model is asked. A path through the levels that keeps the sum of these errors least is a schedule [Chen 2024; Pei 2025].
Published methods take Euler's error for every solver; here a step remembers the step before it, as its sampler does, so that
a path is over pairs of levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, answer
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.samplers.info import SamplerInfo
from aldente.engine.trajectory import Move, Sampler

Errors = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Runs of one fine schedule for several prompts: at each of ``levels`` the latents (b c h w) and their estimates.

    ``ends`` are the latents that the runs come to.
    """

    levels: tuple[Level, ...]
    latents: tuple[Latent, ...]
    estimates: tuple[Latent, ...]
    ends: Latent


@dataclass(frozen=True, kw_only=True)
class LocalErrors:
    """The errors of single steps, each the root mean square of a prompt averaged over prompts.

    They are in units of what the latent holds at the level reached, sqrt(alpha^2 + sigma^2): what is small beside the
    noise there is hardly seen later.
    ``first[k]`` is that of the first step, to level k; ``steps[i, j, k]`` of the step from j to k after one from i to j;
    ``last[j]`` of the final denoising at j. What is no step forward is infinite.
    """

    first: Errors
    steps: Errors
    last: Errors


def can_be_walked(info: SamplerInfo) -> bool:
    """Whether a sampler asks the model at its own levels only, so that a teacher can answer it."""
    return info.calls_per_step == 1 and not info.stochastic and not info.whole and not info.name.endswith("_cfg_pp")


def local_errors(info: SamplerInfo, teacher: Teacher) -> LocalErrors:
    """The errors of every step that a schedule through the teacher's levels could take.

    Raises UserError for a sampler that asks the model between its levels.
    """
    if not can_be_walked(info):
        raise UserError(f"sampler '{info.name}' asks the model between its levels, so a teacher's run cannot answer it.")
    count, sampler = len(teacher.levels), info.build()
    first, last = np.full(count, np.inf), np.full(count, np.inf)
    steps = np.full((count, count, count), np.inf)
    for before in range(count):
        last[before] = _miss(teacher.estimates[before], teacher.ends)
        for here in range(before + 1, count):
            reached, memory = _step(sampler, teacher, before, here, None)
            if before == 0:
                first[here] = _miss(reached, teacher.latents[here]) / _size(teacher.levels[here])
            for there in range(here + 1, count):
                reached, _ = _step(sampler, teacher, here, there, memory)
                steps[before, here, there] = _miss(reached, teacher.latents[there]) / _size(teacher.levels[there])
    return LocalErrors(first=first, steps=steps, last=last)


def shortest_paths(errors: LocalErrors, most: int) -> dict[int, tuple[int, ...]]:
    """For every number of steps from 2 to ``most``, the levels (by place, the first is 0) of the least sum of errors."""
    count = len(errors.first)
    cost = np.full((count, count), np.inf)
    cost[0, :] = errors.first
    came: list[NDArray[np.intp]] = []
    found: dict[int, tuple[int, ...]] = {}
    for steps in range(2, min(most, count) + 1):
        total = cost + errors.last[None, :]
        if np.isfinite(total).any():
            before, here = np.unravel_index(int(np.argmin(total)), total.shape)
            found[steps] = _back(came, int(before), int(here))
        ways = cost[:, :, None] + errors.steps
        came.append(np.argmin(ways, axis=0))
        cost = np.min(ways, axis=0)
    return found


def _back(came: Sequence[NDArray[np.intp]], before: int, here: int) -> tuple[int, ...]:
    path = [here, before]
    for table in reversed(came):
        before, here = int(table[before, here]), before
        path.append(before)
    return tuple(reversed(path))


def _step(sampler: Sampler, teacher: Teacher, start: int, end: int, memory: object) -> tuple[Latent, object]:
    """The sampler's own step between two levels of the teacher, begun at the teacher's latent."""
    move = Move(teacher.levels[start], teacher.levels[end], 0 if memory is None else 1, len(teacher.levels))
    run = sampler.step(_known(teacher.estimates[start]), teacher.latents[start], move, memory, _silent)
    reached: tuple[Latent, object] = answer(run, _unasked)
    return reached


def _known(clean: Latent) -> Denoiser:
    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        del x, level
        return Estimate(clean, clean)
        yield []

    return denoise


def _miss(reached: Latent, wanted: Latent) -> float:
    away = np.asarray(reached, dtype=np.float64) - np.asarray(wanted, dtype=np.float64)
    return float(np.sqrt((away.reshape(len(away), -1) ** 2).mean(axis=1)).mean())


def _size(level: Level) -> float:
    return math.hypot(level.alpha, level.sigma)


def _silent(sigma: float, sigma_next: float) -> Latent:
    raise AssertionError(f"noise drawn for {sigma} to {sigma_next} by a sampler that adds none")


def _unasked(query: object) -> Latent:
    raise AssertionError(f"the model was asked for {query}, which the teacher had")
