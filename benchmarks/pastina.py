"""pastina's denoiser beside this machine's fastest matrix product, and a first picture from the start of the process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cold import PROMPT, STEPS
from benchmarks.measure import gemm_peak, save, spread
from benchmarks.operations import floating_point_operations, milliseconds_by_kind

THREADS = 2
ROUNDS = 9
SHARE_TARGETS = {2: 0.40, 8: 0.60}
COLD_RUNS = 5


def run() -> None:
    """Print and save the figures."""
    print(f"load average {_load()}")
    figures = {"load_before": os.getloadavg(), **_denoiser(), "cold": _cold(), "load_after": os.getloadavg()}
    print(f"load average {_load()}")
    print(save("pastina", figures))


def _load() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


def _denoiser() -> dict[str, object]:
    from aldente.models.pastina.model import WEIGHTS

    graph = WEIGHTS / "denoiser.onnx"
    work = floating_point_operations(graph)
    seconds, peaks = _timed_in_turn()
    print(f"{work / 1e9:.3f} GFLOP a row; peak {statistics.median(peaks) / 1e9:.0f} GFLOP/s with {THREADS} threads")
    print("rows   ms a call   ms a row   share of the peak   best call beside best peak")
    shares, per_row, best = {}, {}, {}
    for rows, taken in seconds.items():
        best[rows] = work * rows / min(taken) / max(peaks)
        shares[rows] = spread([work * rows / second / peak for second, peak in zip(taken, peaks, strict=True)])
        per_row[rows] = spread([1e3 * second / rows for second in taken])
        target = f"(target >= {SHARE_TARGETS[rows]:.0%})" if rows in SHARE_TARGETS else ""
        median = per_row[rows]["median"]
        print(f"{rows:4} {median * rows:11.2f} {median:10.2f} {shares[rows]['median']:12.0%} {best[rows]:19.0%}   {target}")
    kinds = {rows: milliseconds_by_kind(graph, rows, THREADS) for rows in SHARE_TARGETS}
    for rows, each in kinds.items():
        largest = ", ".join(f"{kind} {ms:.2f}" for kind, ms in list(each.items())[:6])
        print(f"ms by operation at {rows} rows: {largest}; all {sum(each.values()):.2f}")
    return {
        "gflop_per_row": work / 1e9,
        "peak_gflops": spread([peak / 1e9 for peak in peaks]),
        "share_of_peak": shares,
        "best_share_of_best_peak": best,
        "ms_per_row": per_row,
        "ms_by_operation": kinds,
    }


def _timed_in_turn() -> tuple[dict[int, list[float]], list[float]]:
    """Seconds of a call by rows, and the peak, in each round; in a round each is the best of several, taken side by side.

    The best, because whatever else runs on the machine can only add to it; the peak is the best of several too.
    """
    import numpy as np

    from aldente.engine.levels import exploding
    from aldente.models.pastina import load

    model = load(threads=THREADS)
    rng = np.random.default_rng(0)
    calls: dict[int, Callable[[], object]] = {}
    for rows in (1, 2, 8, 16):
        x = rng.standard_normal((rows, 4, 16, 16), dtype=np.float32)
        prompts = [model.encode(((f"picture {row}", 1.0),)) for row in range(rows)]
        calls[rows] = partial(model.estimate, x, [exploding(1.0)] * rows, prompts)
        calls[rows]()
    seconds: dict[int, list[float]] = {rows: [] for rows in calls}
    peaks = []
    for _ in range(ROUNDS):
        peaks.append(gemm_peak(rounds=16))
        for rows, call in calls.items():
            seconds[rows].append(min(_seconds(call) for _ in range(8 + 32 // rows)))
    return seconds, peaks


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _cold() -> dict[str, object]:
    aldente = str(Path(sys.executable).parent / "aldente")
    asked = [aldente, "generate", PROMPT, "--steps", str(STEPS), "--seed", "42"]
    generate, help_, broken_down = [], [], []
    for _ in range(COLD_RUNS):
        with TemporaryDirectory() as folder:
            place = ["--store", f"{folder}/store.db", "--out", f"{folder}/out"]
            generate.append(_seconds(partial(_run, [*asked, *place])))
            help_.append(_seconds(partial(_run, [aldente, "--help"])))
            child = [sys.executable, "-m", "benchmarks.cold", repr(time.time()), f"{folder}/other.db"]
            broken_down.append(json.loads(_run(child)))
    stages = {name: statistics.median(each[name] for each in broken_down) for name in broken_down[0]}
    whole, answer = spread(generate), spread(help_)
    print(f"aldente generate, one picture of {STEPS} steps, cold: {whole['median']:.2f} s (target <= 2.5 s)")
    print("  " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items()))
    print(f"aldente --help: {answer['median']:.2f} s (target <= 0.2 s)")
    return {"generate_seconds": whole, "stage_seconds": stages, "help_seconds": answer}


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    return done.stdout
