"""The programs that can evaluate pastina's denoiser, side by side: milliseconds a row by rows of a call and threads."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from benchmarks.measure import gemm_peak, in_turn, ratios, save, spread

ROWS = (1, 2, 8, 16, 32)
THREADS = (1, 2)
ROUNDS = 11
CALLS = 4
"""Calls in a turn, of which the best counts: the others' weights have swept the caches before the first."""


def run() -> None:
    """Print and save the figures of those that are installed."""
    from aldente.models.pastina.runtimes import runtimes

    able = [entry for entry in runtimes() if entry.installed()]
    figures: dict[str, object] = {
        "versions": {entry.package: version(entry.package) for entry in able},
        "peak_gflops_before": gemm_peak() / 1e9,
        **{f"{count} threads": _timed([entry.name for entry in able], count) for count in THREADS},
        "difference": _differences([entry.name for entry in able]),
    }
    print(save("runtimes", figures))


def _timed(names: list[str], threads: int) -> dict[str, object]:
    """Milliseconds a row, and how many times as fast as the default, by program and rows: medians of rounds in turn."""
    from aldente.models.pastina.model import Pastina

    models = {name: Pastina(threads=threads, runtime=name) for name in names}
    figures: dict[str, dict[int, object]] = {name: {} for name in names}
    print(f"{threads} threads: ms a row (times as fast as {names[0]})")
    for rows in ROWS:
        asked = question(next(iter(models.values())), rows)
        calls = {name: partial(model.estimate, *asked) for name, model in models.items()}
        seconds = in_turn(calls, rounds=ROUNDS, calls=CALLS)
        line = f"{rows:4} rows"
        for name, taken in seconds.items():
            gain = ratios(seconds[names[0]], taken)
            figures[name][rows] = {"ms_per_row": spread([1e3 * each / rows for each in taken]), "times_as_fast": gain}
            line += f"   {name} {1e3 * spread(taken)['median'] / rows:.2f} ({gain['median']:.2f})"
        print(line)
    return figures


def _differences(names: list[str]) -> dict[str, float]:
    """The largest difference of an estimate from the default's, on 32 rows at levels over the whole range."""
    from aldente.models.pastina.model import Pastina

    answers = {}
    for name in names:
        model = Pastina(threads=2, runtime=name)
        answers[name] = model.estimate(*question(model, 32))
    apart = {name: float(abs(answer - answers[names[0]]).max()) for name, answer in answers.items()}
    print("largest difference: " + ", ".join(f"{name} {most:.1e}" for name, most in apart.items()))
    return apart


def question(model, rows: int) -> tuple:
    """Latents, levels over the model's whole range, and prompts: what an estimate of so many rows is asked with."""
    import numpy as np

    from aldente.engine.levels import exploding

    sigmas = np.geomspace(model.info.sigma_max, model.info.sigma_min, rows)
    noise = np.random.default_rng(0).standard_normal((rows, 4, 16, 16)) * sigmas[:, None, None, None]
    prompts = [model.encode(((f"picture {row}", 1.0),)) for row in range(rows)]
    return noise.astype(np.float32), [exploding(float(sigma)) for sigma in sigmas], prompts
