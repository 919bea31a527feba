"""How often verdicts are wrong: both modes of tuning on made-up losses whose truth is known, at the edge of the tolerance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from aldente.quality.bounds import loss_bounds
from aldente.tuning.sequence import refuted
from benchmarks.measure import save

RUNS, PROMPTS = 2000, 200
FAST_RUNS = 1000
ALPHA, BOUND = 0.05, 4.0
SAMPLERS, EXPONENTS, RUNGS = 3, (-2.0, -1.0, -1.5), np.array([5, 7, 10, 14, 20, 28, 40, 56])

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]
"""Losses of ``runs prompts``, before they are scaled to the edge."""

LOSSES: dict[str, tuple[Draw, float]] = {
    "coin: 0 or the bound": (lambda rng, shape: np.where(rng.random(shape) < 1 / BOUND, BOUND, 0.0), 1.0),
    "log-normal, spread 0.5": (lambda rng, shape: np.exp(0.5 * rng.normal(size=shape)), math.exp(0.125)),
    "log-normal, spread 1.5": (lambda rng, shape: np.exp(1.5 * rng.normal(size=shape)), math.exp(1.125)),
    "Pareto, infinite variance": (lambda rng, shape: rng.pareto(1.5, size=shape), 2.0),
    "one prompt in ten is hard": (
        lambda rng, shape: np.where(rng.random(shape) < 0.1, 8.0, 0.3) * rng.uniform(0.5, 1.5, shape),
        0.1 * 8.0 + 0.9 * 0.3,
    ),
    "prompts with 4 seeds": (
        lambda rng, shape: np.exp(0.8 * rng.normal(size=shape)) * np.exp(0.4 * rng.normal(size=(4, *shape))).mean(axis=0),
        math.exp(0.32 + 0.08),
    ),
}
"""Losses with their mean."""


def clipped_at_the_edge(draw: Draw) -> float:
    """The factor that brings the mean of the losses, clipped at the bound, to the tolerance of 1."""
    sample = draw(np.random.default_rng(99), (1, 4_000_000))

    def beyond(factor: float) -> float:
        return float(np.minimum(factor * sample, BOUND).mean()) - 1.0

    return 1.0 if abs(beyond(1.0)) < 2e-3 else float(optimize.brentq(beyond, 1e-3, 1e3))


def share(wrong: int, runs: int) -> dict[str, float]:
    """The share of runs that were wrong, and what it is at most, exactly, at 95 %."""
    at_most = 1.0 if wrong == runs else float(stats.beta.ppf(0.95, wrong + 1, runs - wrong))
    return {"wrong": wrong / runs, "at_most": at_most, "runs": runs}


def guaranteed(draw: Draw, rng: np.random.Generator) -> dict[str, float]:
    """Runs in which either verdict was ever reached, looking after every prompt, though the mean is on the edge itself."""
    losses = np.minimum(clipped_at_the_edge(draw) * draw(rng, (RUNS, PROMPTS)), BOUND) / BOUND
    within = refuted(losses, 1.0 / BOUND, ALPHA / 2)[:, -1]
    beyond = refuted(1.0 - losses, 1.0 - 1.0 / BOUND, ALPHA / 2)[:, -1]
    return share(int((within | beyond).sum()), RUNS)


def fast(draw: Draw, mean: float, rng: np.random.Generator, prompts: int) -> dict[str, float]:
    """Runs in which the upper bound of so many prompts, looked at once, lay within the tolerance."""
    losses = draw(rng, (FAST_RUNS, prompts)) / mean
    return share(sum(_high(row, rng) < 1.0 for row in losses), FAST_RUNS)


def peeking(draw: Draw, mean: float, rng: np.random.Generator) -> dict[str, float]:
    """Runs in which the fast bound was ever within, looking after 8, 12, 16 ... 60 prompts and stopping when it pleases."""
    losses = draw(rng, (200, 60)) / mean
    return share(sum(any(_high(row[:n], rng) < 1.0 for n in range(8, 61, 4)) for row in losses), 200)


def _high(losses: NDArray[np.float64], rng: np.random.Generator) -> float:
    high = loss_bounds(losses.tolist(), range(losses.size), alpha=ALPHA, rng=rng).high
    assert high is not None
    return high


def studies(rng: np.random.Generator) -> dict[str, object]:
    """Whole studies of 3 samplers x 8 rungs on common prompts: any false claim of either mode, and when the best was sure.

    Losses follow power laws. Of every sampler one rung lies a hair beyond the tolerance: to claim it is to be wrong.
    """
    runs, prompts = 1000, 120
    hardness = np.exp(0.5 * rng.normal(size=(runs, 1, 1, prompts)) - 0.125)
    spread = math.sqrt(0.5**2 + 0.3**2)
    edge = 1.001 * clipped_at_the_edge(lambda rng, shape: np.exp(spread * rng.normal(size=shape) - spread**2 / 2))
    truth = np.array([[edge * (n / RUNGS[at]) ** b for n in RUNGS] for b, at in zip(EXPONENTS, (2, 5, 3), strict=True)])
    noise = np.exp(0.3 * rng.normal(size=(runs, SAMPLERS, RUNGS.size, prompts)) - 0.045)
    losses = truth[None, :, :, None] * hardness * noise
    clipped, too_far = np.minimum(losses, BOUND), truth >= edge
    at = np.logical_and.accumulate(refuted(clipped / BOUND, 1 / BOUND, 0.7 * ALPHA / SAMPLERS)[:, :, ::-1], axis=2)[:, :, ::-1]
    few = refuted(1 - clipped / BOUND, 1 - 1 / BOUND, 0.2 * ALPHA / (SAMPLERS * RUNGS.size))
    wrong = (at[..., -1] & too_far) | (few[..., -1] & ~too_far)
    best = np.unravel_index(np.argmin(np.where(too_far, 1e9, RUNGS[None, :])), too_far.shape)
    sure = at[:, best[0], best[1]]
    when = np.where(sure.any(axis=1), sure.argmax(axis=1) + 1, prompts + 1)
    return {
        "guaranteed": share(int(wrong.any(axis=(1, 2)).sum()), runs),
        "fast, 8 prompts": share(sum(_false_plateau(run, truth, rng) for run in losses[:300, :, :, :8]), 300),
        "prompts until the best setting is sure": {
            "true loss": float(truth[best]),
            "median": float(np.median(when)),
            "nine of ten": float(np.quantile(when, 0.9)),
            "never within 120": float((when > prompts).mean()),
        },
    }


def _false_plateau(losses: NDArray[np.float64], truth: NDArray[np.float64], rng: np.random.Generator) -> bool:
    """Whether the fast mode claims any rung whose mean is beyond the tolerance, testing from the top down."""
    for curve, means in zip(losses, truth, strict=True):
        for row, mean in zip(curve[::-1], means[::-1], strict=True):
            high = loss_bounds(row.tolist(), range(row.size), alpha=ALPHA / SAMPLERS, rng=rng).high
            if high is None or high > 1.0:
                break
            if mean > 1.0:
                return True
    return False


def run() -> None:
    """Print and save the figures."""
    started, rng = time.perf_counter(), np.random.default_rng(20240101)
    figures: dict[str, object] = {}
    print(f"wrong verdicts, true mean on the edge of the tolerance (at most {ALPHA:.0%} are allowed); 95 % bound in brackets")
    for name, (draw, mean) in LOSSES.items():
        found = {
            "guaranteed, 200 looks": guaranteed(draw, rng),
            "fast, 8 prompts": fast(draw, mean, rng, 8),
            "fast, 24 prompts": fast(draw, mean, rng, 24),
            "fast, 14 looks": peeking(draw, mean, rng),
        }
        figures[name] = found
        print(f"  {name:28}" + "".join(f"  {k}: {v['wrong']:6.1%} [{v['at_most']:.1%}]" for k, v in found.items()))
    figures["whole studies"] = found = studies(rng)
    for name, facts in found.items():
        print(f"  whole studies, {name}: {facts}")
    print(f"{time.perf_counter() - started:.0f} s")
    print(save("verdicts", figures))
