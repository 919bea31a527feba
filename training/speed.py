"""How fast the shipped denoiser is, beside the fastest that this machine multiplies matrices."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from aldente.engine.levels import exploding
from aldente.models.pastina.model import Pastina
from aldente.models.pastina.threads import usable_threads
from training.shape import FREQUENCIES, TEXT_TOKENS, DenoiserShape

ROUNDS = 5
"""Peak and denoiser are timed in turns, so that both meet the same machine."""


def measure(weights: Path, threads: int | None) -> str:
    """A table of milliseconds, and of the share of the peak, by batch size; medians of the rounds' best times.

    On one thread the processor's time is counted, which other work on the machine does not lengthen; else the clock's.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    model = Pastina(weights=weights, threads=threads)
    shape = DenoiserShape.from_text({prop.key: prop.value for prop in onnx.load(weights / "denoiser.onnx").metadata_props})
    side = shape.grid
    peaks, times = [], {rows: [] for rows in (1, 2, 8, 16)}
    for _ in range(ROUNDS):
        peaks.append(_peak(threads or usable_threads(), clock))
        for rows, best in times.items():
            x = np.random.default_rng(0).standard_normal((rows, shape.channels, side, side), dtype=np.float32)
            prompts = [model.encode(((f"picture {row}", 1.0),)) for row in range(rows)]
            best.append(_best(lambda: model.estimate(x, [exploding(1.0)] * rows, prompts), 20, clock))  # noqa: B023
    peak, work = float(np.median(peaks)), operations(shape)
    lines = [f"peak {peak / 1e9:.0f} GFLOP/s; {work / 1e9:.3f} GFLOP a row", "rows      ms   share of peak"]
    for rows, best in times.items():
        shares = [work * rows / seconds / top for seconds, top in zip(best, peaks, strict=True)]
        lines.append(f"{rows:4} {np.median(best) * 1e3:7.2f} {np.median(shares):15.0%}")
    return "\n".join(lines)


def operations(shape: DenoiserShape) -> float:
    """Floating-point operations of one row of one step: two for each product of matrices' entries."""
    tokens, wide = (shape.grid // shape.patch) ** 2, shape.width
    block = tokens * 14 * wide**2 + 2 * tokens * (tokens + TEXT_TOKENS) * wide
    products = shape.depth * block + 2 * tokens * shape.patch_numbers * wide + (2 * FREQUENCIES + 9 * wide) * wide
    if shape.fine_depth:
        small, narrow = (shape.grid // shape.fine_patch) ** 2, shape.fine_width
        fine = small * 12 * narrow**2 + 2 * small**2 * narrow
        joined = small * wide * narrow + 2 * small * shape.fine_numbers * narrow + 8 * wide * narrow
        products += shape.fine_depth * fine + joined
    return 2.0 * products


def _peak(threads: int, clock: Callable[[], float]) -> float:
    """The best rate, in operations a second, of a large product of matrices in the runtime's own kernels or torch's."""
    import torch

    torch.set_num_threads(threads)
    side = 2048
    matrix = torch.randn(side, side)
    return 2.0 * side**3 / _best(lambda: matrix @ matrix, 6, clock)


def _best(work: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    times = []
    for _ in range(count):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)
