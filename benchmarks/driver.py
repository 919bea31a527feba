"""What the engine and the driver cost beside the model: microseconds a row, and as a share of pastina's own time."""

from __future__ import annotations

import statistics
import time

import numpy as np

from aldente.engine.denoise import conditional
from aldente.engine.guidance import cfg, guided
from aldente.engine.levels import exploding_levels
from aldente.engine.samplers.table import find_sampler
from aldente.engine.schedules.table import build_schedule
from aldente.engine.trajectory import trajectory
from aldente.models.pastina import load
from aldente.render.batching import Drive, Job, Limits
from benchmarks.measure import save, spread

SAMPLERS = ("euler", "dpmpp_2m", "heun")
SCALES = (2.0, 4.0, 7.0, 11.0)
STEPS = (5, 8, 12, 18, 25)


def jobs(cond: object, uncond: object) -> list[Job]:
    """60 runs: 3 samplers x 4 guidance scales x 5 step counts, each with noise of its own, so that nothing is shared."""
    rng = np.random.default_rng(0)
    made = []
    for key, (name, scale, steps) in enumerate((s, w, n) for s in SAMPLERS for w in SCALES for n in STEPS):
        sampler, levels = find_sampler(name).build(), exploding_levels(build_schedule("karras", steps))
        x = levels[0].sigma * rng.standard_normal((1, 4, 16, 16), dtype=np.float32)
        denoise = guided(cfg(scale), conditional(cond), conditional(uncond))
        made.append(Job(key=key, start=lambda s=sampler, d=denoise, x=x, v=levels: trajectory(s, d, x, v, _no_noise)))
    return made


def _no_noise(sigma: float, sigma_next: float) -> object:
    raise AssertionError("a deterministic sampler draws no noise")


def overhead(estimate, cond: object, uncond: object, rows: int) -> tuple[float, float, int]:
    """Seconds outside the model, seconds inside it, and rows, of one drive of the 60 runs."""
    inside = 0.0

    def timed(x, levels, conditions):
        nonlocal inside
        started = time.perf_counter()
        answer = estimate(x, levels, conditions)
        inside += time.perf_counter() - started
        return answer

    started = time.perf_counter()
    outcomes = list(Drive(jobs(cond, uncond), timed, clock=time.perf_counter, limits=Limits(rows=rows)))
    total = time.perf_counter() - started
    return total - inside, inside, sum(outcome.usage.asked for outcome in outcomes)


def run() -> None:
    """Print and save the figures."""
    free = [overhead(lambda x, levels, conditions: 0.5 * x, "c", "u", 8) for _ in range(8)][1:]
    microseconds = spread([1e6 * outside / rows for outside, _, rows in free])
    model = load()
    cond, uncond = (model.encode(((text, 1.0),)) for text in ("a red apple, 3d render", ""))
    real = [overhead(model.estimate, cond, uncond, 8) for _ in range(4)][1:]
    share = spread([outside / inside for outside, inside, _ in real])
    fill = statistics.median(inside / rows for _, inside, rows in real) * 1e3
    print(f"engine and driver, without a model: {microseconds['median']:.1f} microseconds a row (target <= 20)")
    print(
        f"engine and driver beside pastina at batch 8: {share['median']:.2%} of model time ({fill:.2f} ms a row; target <= 1 %)"
    )
    print(save("driver", {"microseconds_per_row": microseconds, "share_of_model_time": share, "model_ms_per_row": fill}))
