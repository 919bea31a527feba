"""Models whose answers are known exactly, and the drivers that the proofs of the samplers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.integrate import solve_ivp

from aldente.engine.denoise import Asking, answer, conditional
from aldente.engine.levels import Level, exploding
from aldente.engine.trajectory import Move, Sampler, StepNoise, trajectory

Path = Callable[[Sequence[tuple[float, float]]], StepNoise]
"""How the noise of a run depends on itself: the noise, given the intervals for which it will be asked."""

SIGMA_MAX, SIGMA_MIN = 14.6146, 0.0291672
GUIDANCE = 3.0
DEVIATION = 0.9
_DRAW = np.random.default_rng(7)
CENTRES = {"cond": _DRAW.normal(size=(3, 6)), "uncond": _DRAW.normal(size=(5, 6))}
START = _DRAW.normal(size=(1, 6))


def mixture(x: np.ndarray, level: Level, centres: np.ndarray) -> np.ndarray:
    """The exact estimate of x0 when the data are equal Gaussians of ``DEVIATION`` around ``centres``."""
    spread = level.alpha**2 * DEVIATION**2 + level.sigma**2
    away = x[:, None, :] - level.alpha * centres[None]
    logit = -0.5 * (away**2).sum(-1) / spread
    share = np.exp(logit - logit.max(1, keepdims=True))
    share = share / share.sum(1, keepdims=True)
    each = centres[None] + (level.alpha * DEVIATION**2 / spread) * away
    return (share[..., None] * each).sum(1)


def guided_mixture(x: np.ndarray, level: Level) -> np.ndarray:
    """The guided estimate on two mixtures."""
    cond, uncond = (mixture(x, level, CENTRES[name]) for name in ("cond", "uncond"))
    return uncond + GUIDANCE * (cond - uncond)


def run(generator: Asking[Any], estimate: Callable[[Any, Level], Any]) -> Any:
    """The result of ``generator`` when its queries are answered by ``estimate``."""
    return answer(generator, lambda query: estimate(query.x, query.level))


def silent(sigma: float, sigma_next: float) -> Any:
    """Step noise for deterministic runs: asking for it is an error."""
    raise AssertionError(f"noise drawn for {sigma} -> {sigma_next} by a run that adds none")


def karras(steps: int, family: Callable[[float], Level] = exploding) -> tuple[Level, ...]:
    """``steps`` + 1 positive levels, rho 7, without the final 0; flow levels have the same sigma / alpha."""
    ramp = np.linspace(0.0, 1.0, steps + 1)
    low, high = SIGMA_MIN ** (1 / 7), SIGMA_MAX ** (1 / 7)
    ratios = [float(ratio) for ratio in (high + ramp * (low - high)) ** 7]
    return tuple(family(ratio if family is exploding else ratio / (1.0 + ratio)) for ratio in ratios)


def integrate(x: np.ndarray, sigma: float, sigma_next: float) -> np.ndarray:
    """The exact solution at exploding level ``sigma_next`` of the guided flow through ``x`` at ``sigma``."""

    def field(log_sigma: float, flat: np.ndarray) -> np.ndarray:
        here = flat.reshape(x.shape)
        return (here - guided_mixture(here, exploding(math.exp(log_sigma)))).ravel()

    span = (math.log(sigma), math.log(sigma_next))
    solution = solve_ivp(field, span, x.ravel(), method="DOP853", rtol=1e-13, atol=1e-13)
    return solution.y[:, -1].reshape(x.shape)


@cache
def exact_start(ratios: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """The exact exploding latents at ``ratios``, the first being sigma_max."""
    points = [START * SIGMA_MAX]
    for ratio, following in pairwise(ratios):
        points.append(integrate(points[-1], ratio, following))
    return tuple(points)


@cache
def exact_end() -> np.ndarray:
    """The exact exploding latent at sigma_min."""
    return integrate(START * SIGMA_MAX, SIGMA_MAX, SIGMA_MIN)


def pointwise(x: Any, level: Level) -> Any:
    """The exact estimate of x0 when each number is 1 or -1 with deviation 0.5; every number by itself."""
    xp = array_namespace(x)
    spread = 0.25 * level.alpha**2 + level.sigma**2
    share = level.sigma**2 / spread
    return (0.25 * level.alpha / spread) * x + share * xp.tanh((level.alpha / spread) * x)


def end_error(sampler: Sampler, levels: Sequence[Level], noise: StepNoise = silent, *, seeded: int = 3) -> float:
    """The error at sigma_min of ``sampler``; the latents of its first ``seeded`` steps are exact, and so its memory."""
    ratios = tuple(level.sigma / level.alpha for level in levels)
    exact = exact_start(ratios[: seeded + 1])
    denoise, memory, x = conditional("any"), None, None
    for index, (level, target) in enumerate(pairwise(levels)):
        if index <= seeded:
            x = level.alpha * exact[index]
        move = Move(level, target, index, len(levels) - 1)
        x, memory = run(sampler.step(denoise, x, move, memory, noise), guided_mixture)
    return float(np.abs(x / levels[-1].alpha - exact_end()).max())


def fitted_order(steps: Sequence[int], errors: Sequence[float]) -> float:
    """The slope of -ln(error) over ln(steps)."""
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def gaussian(deviation: float) -> Callable[[Any, Level], Any]:
    """The exact estimate of x0 when the data are one Gaussian around 0: linear, so that noises keep apart."""

    def estimate(x: Any, level: Level) -> Any:
        return (level.alpha * deviation**2 / (level.alpha**2 * deviation**2 + level.sigma**2)) * x

    return estimate


def intervals(sampler: Sampler, levels: Sequence[Level]) -> list[tuple[float, float]]:
    """The intervals for which a run asks noise, in their order."""
    asked: list[tuple[float, float]] = []

    def noise(sigma: float, sigma_next: float) -> np.ndarray:
        asked.append((sigma, sigma_next))
        return np.zeros((1, 1))

    run(trajectory(sampler, conditional("any"), np.ones((1, 1)), levels, noise), gaussian(1.0))
    return asked


def brownian(asked: Sequence[tuple[float, float]]) -> StepNoise:
    """Unit noise of one Brownian path in sigma, as coefficients over its independent increments (after one for x)."""
    nodes = np.unique(np.array(asked).ravel())

    def noise(sigma: float, sigma_next: float) -> np.ndarray:
        inside = (nodes[:-1] >= sigma_next) & (nodes[1:] <= sigma)
        share = np.where(inside, np.diff(nodes), 0.0) / (sigma - sigma_next)
        return np.concatenate([[0.0], np.sqrt(share)])[None]

    return noise


def independent(asked: Sequence[tuple[float, float]]) -> StepNoise:
    """Unit noise that is new in every interval, as coefficients (after one for x)."""

    def noise(sigma: float, sigma_next: float) -> np.ndarray:
        fresh = np.zeros((1, len(asked) + 1))
        fresh[0, 1 + asked.index((sigma, sigma_next))] = 1.0
        return fresh

    return noise


def variance_error(
    sampler: Sampler,
    levels: Sequence[Level],
    path: Callable[[Sequence[tuple[float, float]]], StepNoise],
    deviation: float = 1.0,
) -> float:
    """The relative error of the variance at the last level, exactly: no noise is drawn, its coefficients are carried."""
    asked = intervals(sampler, levels)
    noise = path(asked)
    first, last = levels[0], levels[-1]
    x = np.zeros_like(noise(*asked[0]))
    x[0, 0] = math.hypot(first.alpha * deviation, first.sigma)
    end = run(trajectory(sampler, conditional("any"), x, levels, noise), gaussian(deviation))
    return float((end**2).sum() / (last.alpha**2 * deviation**2 + last.sigma**2) - 1.0)
