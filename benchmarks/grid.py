"""A grid of 60 cells through the driver, beside the same network used the usual way: one picture at a time in PyTorch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from benchmarks.measure import in_turn, ratios, save, spread

SAMPLERS = ("euler", "dpmpp_2m", "heun")
SCALES = (2.0, 4.0, 7.0, 11.0)
STEPS = (5, 8, 12, 18, 25)
PROMPT = "a red apple, 3d render"
THREADS = 2
ROUNDS, ENOUGH_SECONDS = 3, 100
"""No further round begins after ``ENOUGH_SECONDS``."""

TARGET = 4.0

Cell = tuple[str, float, int]
Pictures = dict[Cell, np.ndarray]
CELLS: tuple[Cell, ...] = tuple(product(SAMPLERS, SCALES, STEPS))


def recipes(*, seed_per_cell: bool) -> dict[Cell, Any]:
    """The recipe of every cell: one prompt, and one seed or, so that no two cells can share anything, one for each."""
    from aldente.recipe.recipe import Guidance, Recipe, Sampling

    return {
        (sampler, scale, steps): Recipe(
            prompt=PROMPT,
            seed=number if seed_per_cell else 0,
            sampling=Sampling(sampler=sampler, schedule="karras", steps=steps, guidance=Guidance(scale=scale)),
        )
        for number, (sampler, scale, steps) in enumerate(CELLS)
    }


def driven(model: Any, wanted: Mapping[Cell, Any], made: Pictures, evaluated: list[float]) -> None:
    """Draw the grid as aldente does; leaves the pictures in ``made`` and the rows that were evaluated in ``evaluated``."""
    from aldente.render.render import render

    cell_of = {recipe.digest(): cell for cell, recipe in wanted.items()}
    rows = 0.0
    for rendered in render(wanted.values(), model, clock=time.perf_counter):
        assert rendered.error is None, rendered.error
        made[cell_of[rendered.recipe.digest()]] = rendered.image
        rows += rendered.usage.evaluated
    evaluated.append(rows)


class Usual:
    """The network in PyTorch, and everything that the usual way computes once: text features, noise and levels."""

    def __init__(self, model: Any) -> None:
        import torch

        from aldente.render.levels import levels_of
        from aldente.render.noise import noise_of
        from benchmarks.usual import Network

        cells = recipes(seed_per_cell=False)
        self._network = Network(model)
        self._text = self._network.read(PROMPT, "")
        self._sigmas = {cell: [level.sigma for level in levels_of(cells[cell].sampling, model.info)] for cell in CELLS}
        recipe = cells[CELLS[0]]
        top = levels_of(recipe.sampling, model.info)[0]
        start = noise_of(recipe.seed, recipe.start, recipe.sampling.rng, (4, 16, 16), top).start
        self._start, self._unit = torch.from_numpy(start), torch.from_numpy(start / np.float32(top.sigma))
        self._training_sigmas = model.info.sigmas
        self.threads = self._faster_threads()

    def _faster_threads(self) -> int:
        """The number of threads that suits PyTorch better here and now: on a busy machine one may beat two."""
        import torch

        taken = {}
        for threads in range(1, THREADS + 1):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                run = partial(self._network.clean, self._start, 1.0, self._text, 4.0)
                taken[threads] = min(in_turn({"call": run}, rounds=12, warmup=3)["call"])
        best = min(taken, key=taken.__getitem__)
        torch.set_num_threads(best)
        return best

    def looped(self, made: Pictures) -> None:
        """Plain loops."""
        import torch

        from benchmarks.usual import LOOPS

        with torch.inference_mode():
            for cell in CELLS:
                clean = partial(self._network.clean, text=self._text, scale=cell[1])
                made[cell] = self._network.picture(LOOPS[cell[0]](clean, self._start, self._sigmas[cell]))

    def scheduled(self, made: Pictures) -> None:
        """Diffusers' schedulers."""
        import torch

        from benchmarks.usual import scheduled, schedulers

        makers = schedulers(self._training_sigmas)
        with torch.inference_mode():
            for cell in CELLS:
                sampler, scale, steps = cell
                latent = scheduled(self._network, makers[sampler](), steps, self._unit, self._text, scale)
                made[cell] = self._network.picture(latent)


def run() -> None:
    """Print and save the figures."""
    from aldente.models.pastina import load

    model = load(threads=THREADS)
    pictures: dict[str, Pictures] = {"driver": {}, "driver, a seed each": {}}
    rows: dict[str, list[float]] = {name: [] for name in pictures}
    contenders: dict[str, Callable[[], object]] = {
        name: partial(driven, model, recipes(seed_per_cell=name != "driver"), pictures[name], rows[name]) for name in pictures
    }
    for name, contender in _peers(model).items():
        pictures[name] = {}
        contenders[name] = partial(contender, pictures[name])
    before = os.getloadavg()
    seconds = _rounds(contenders)
    print(
        f"seconds for {len(CELLS)} cells: "
        + ", ".join(f"{name} {spread(each)['median']:.1f}" for name, each in seconds.items())
    )
    print(f"load average {before[0]:.1f} before, {os.getloadavg()[0]:.1f} after")
    asked, shared = rows["driver, a seed each"][-1], rows["driver"][-1]
    print(f"rows evaluated: {shared:.0f} of {asked:.0f}; identical queries were shared")
    compared = {name: _against(name, seconds, pictures) for name in seconds if name not in rows}
    facts = {"seconds": {name: spread(each) for name, each in seconds.items()}, "against": compared}
    print(save("grid", {**facts, "rows_asked": asked, "rows_with_sharing": shared, "load_before": before}))


def _rounds(contenders: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each contender in each round; they take turns within a round."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    started = time.perf_counter()
    for round_ in range(ROUNDS):
        if round_ and time.perf_counter() - started > ENOUGH_SECONDS:
            break
        for name, (taken,) in in_turn(contenders, rounds=1, warmup=0).items():
            seconds[name].append(taken)
    return seconds


def _peers(model: Any) -> dict[str, Callable[[Pictures], None]]:
    try:
        usual = Usual(model)
    except ImportError as error:
        print(f"without the usual way: {error}; install it with: pip install -e '.[training]'")
        return {}
    print(f"PyTorch runs on {usual.threads} of {THREADS} threads, which is faster for it now")
    peers = {"torch loop": usual.looped}
    try:
        import diffusers
    except ImportError:
        print("without diffusers' schedulers; install them with: pip install --no-deps diffusers==0.42.1")
        return peers
    return peers | {f"diffusers {diffusers.__version__} schedulers": usual.scheduled}


def _against(name: str, seconds: Mapping[str, list[float]], pictures: Mapping[str, Pictures]) -> dict[str, object]:
    """How many times as long ``name`` takes, and how near its pictures are to the driver's."""
    gain = ratios(seconds[name], seconds["driver"])
    alone = ratios(seconds[name], seconds["driver, a seed each"])
    best = min(seconds[name]) / min(seconds["driver"])
    near = spread([_psnr(pictures["driver"][cell], pictures[name][cell]) for cell in CELLS])
    print(f"{name}: {gain['median']:.2f} times as long as the driver (target >= {TARGET:.0f});", end=" ")
    print(f"{alone['median']:.2f} times where cells share nothing; best time beside best time {best:.2f}.", end=" ")
    print(f"Pictures: PSNR {near['min']:.0f} dB at least, {near['median']:.0f} dB in the median.")
    return {"ratio": gain, "ratio_without_sharing": alone, "ratio_of_best": best, "psnr_db": near}


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures; 99 for equal ones."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return min(99.0, 10 * np.log10(255**2 / error)) if error else 99.0
