"""How often verdicts are wrong: both modes of tuning on made-up losses whose truth is known, at the edge of the tolerance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from aldente.tuning.sequence import refuted
from benchmarks.bounds import CONTENDERS, Bound, cox, ours
from benchmarks.measure import save

RUNS, PROMPTS = 2000, 200
FAST_RUNS = 2000
TRIED_RUNS = 400
"""Runs of each bound that was tried."""

STUDIES = 300
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
    return share(int((ours(losses, ALPHA, rng) < 1.0).sum()), FAST_RUNS)


def peeking(draw: Draw, mean: float, rng: np.random.Generator) -> dict[str, float]:
    """Runs in which the fast bound was ever within, looking after 8, 12, 16 ... 60 prompts and stopping when it pleases."""
    losses = draw(rng, (200, 60)) / mean
    ever = np.any([ours(losses[:, :n], ALPHA, rng) < 1.0 for n in range(8, 61, 4)], axis=0)
    return share(int(ever.sum()), 200)


def tried(draw: Draw, mean: float, rng: np.random.Generator) -> dict[str, dict[str, list[float]]]:
    """Of each bound that was tried: the share of false verdicts, and the median bound in units of the true mean."""
    found: dict[str, dict[str, list[float]]] = {}
    for prompts in (8, 24):
        losses = draw(rng, (TRIED_RUNS, prompts)) / mean
        for name, bound in CONTENDERS.items():
            high = bound(losses, ALPHA, rng)
            found.setdefault(name, {})[f"{prompts} prompts"] = [float((high < 1.0).mean()), float(np.median(high))]
    return found


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
        **{f"fast, {count} prompts": _fast_studies(losses[:STUDIES, :, :, :count], truth, ours) for count in (6, 8, 12, 24)},
        "fast, 8 prompts, by Cox": _fast_studies(losses[:STUDIES, :, :, :8], truth, cox),
        "prompts until the best setting is sure": {
            "true loss": float(truth[best]),
            "median": float(np.median(when)),
            "nine of ten": float(np.quantile(when, 0.9)),
            "never within 120": float((when > prompts).mean()),
        },
    }


def _fast_studies(losses: NDArray[np.float64], truth: NDArray[np.float64], bound: Bound) -> dict[str, float]:
    """Studies of ``runs samplers rungs prompts``: false claims, studies without any claim, and the price of the choice.

    The price is in steps over those of the cheapest rung that is truly within: its median over studies, of all samplers.
    """
    runs, prompts = len(losses), losses.shape[-1]
    rng = np.random.default_rng(7)
    high = bound(losses.reshape(-1, prompts), ALPHA / SAMPLERS, rng).reshape(losses.shape[:-1])
    claimed = np.logical_and.accumulate(high[:, :, ::-1] <= 1.0, axis=2)[:, :, ::-1]
    false = (claimed & (truth > 1.0)).any(axis=(1, 2))
    cheapest = np.where(claimed, RUNGS, np.inf).min(axis=(1, 2))
    best = float(np.where(truth <= 1.0, RUNGS, np.inf).min())
    some = np.isfinite(cheapest)
    return share(int(false.sum()), runs) | {
        "undecided": float((~some).mean()),
        "steps over the least": float(np.median(cheapest[some])) / best,
    }


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
            "fast, 40 prompts": fast(draw, mean, rng, 40),
            "fast, 14 looks": peeking(draw, mean, rng),
        }
        figures[name] = found
        print(f"  {name:28}" + "".join(f"  {k}: {v['wrong']:6.1%} [{v['at_most']:.1%}]" for k, v in found.items()))
    figures["tried"] = each = {name: tried(draw, mean, rng) for name, (draw, mean) in LOSSES.items()}
    for name, bounds in each.items():
        print(
            f"  tried, {name}: " + ", ".join(f"{k} {v['8 prompts'][0]:.1%} x{v['8 prompts'][1]:.2f}" for k, v in bounds.items())
        )
    figures["whole studies"] = found = studies(rng)
    for name, facts in found.items():
        print(f"  whole studies, {name}: {facts}")
    print(f"{time.perf_counter() - started:.0f} s")
    print(save("verdicts", figures))
