"""Timing fairly on a shared, noisy machine: contenders in turn, medians, and where it was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def in_turn(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1, calls: int = 1
) -> dict[str, list[float]]:
    """Seconds of each contender in each of ``rounds`` rounds; within a round they take turns, so drift hits all alike.

    A turn is the best of ``calls``: with more than one, a contender need not pay for the others' use of the caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(warmup + rounds):
        for name, run in contenders.items():
            taken = min(_timed(run) for _ in range(calls))
            if round_ >= warmup:
                seconds[name].append(taken)
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratios(a: list[float], b: list[float]) -> dict[str, float]:
    """The spread of a / b, pair by pair."""
    return spread([x / y for x, y in zip(a, b, strict=True)])


def gemm_peak(size: int = 1024, rounds: int = 12) -> float:
    """The float32 matrix-product rate of this machine in FLOP/s: the best of several NumPy products of ``size`` squared."""
    import numpy as np

    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    best = min(_timed(lambda: a @ a) for _ in range(rounds))
    return 2 * size**3 / best


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def save(name: str, figures: Mapping[str, Any]) -> Path:
    """Write the figures with where and when they were measured; the path of the file."""
    packages = {p: version(p) for p in ("aldente", "numpy", "onnxruntime")}
    facts = {
        "benchmark": name,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": sys.version.split()[0],
        },
        "packages": packages,
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(facts, indent=2) + "\n")
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
