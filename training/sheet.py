"""Sheets of samples, drawn by the shipped code from the weights at hand."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from aldente.engine.levels import exploding
from aldente.models.pastina.facts import SIGMA_MAX, SIGMA_MIN
from aldente.models.pastina.model import Pastina
from training.weights import export

PROMPTS = (
    "red apple, 3d render",
    "cat face, 3d render",
    "rocket, flat vector",
    "red heart, 3d render",
    "house, flat vector",
    "octopus, cartoon emoji",
    "pizza, 3d render",
    "castle, 3d render",
    "astronaut, cartoon emoji",
    "owl, 3d render",
    "automobile, 3d render",
    "a pear on a purple background, flat vector",
    "a cup of tea",
    "guitar, cartoon emoji",
    "penguin, 3d render",
    "a sailing boat",
)


def draw_sheet(work: Path) -> None:
    """Draw ``PROMPTS`` from two seeds into ``sheet.png``, with the weights in ``work``."""
    with tempfile.TemporaryDirectory() as scratch:
        model = Pastina(weights=export(work, Path(scratch)))
        rows = [np.concatenate(draw(model, PROMPTS, seed=seed), axis=1) for seed in (0, 1)]
    Image.fromarray(np.concatenate(rows)).save(work / "sheet.png")


STEPS = 20


def draw(
    model: Pastina, prompts: Sequence[str], *, seed: int, scale: float = 3.0, size: tuple[int, int] | None = None
) -> list[np.ndarray]:
    """A picture of each prompt, of ``size`` (height, width) or the native one: DPM++ 2M over Karras levels under CFG.

    Source: [Lu 2022b, Alg. 2; Karras 2022, Eq. 5].
    """
    count = len(prompts)
    conditions = [model.encode(((prompt, 1.0),)) for prompt in prompts] + [model.encode((("", 1.0),))] * count
    ramp = np.linspace(SIGMA_MAX ** (1 / 7), SIGMA_MIN ** (1 / 7), STEPS) ** 7
    height, width = (side // model.info.latent_scale for side in size or model.info.native[0])
    x = np.random.default_rng(seed).standard_normal((count, model.info.latent_channels, height, width)).astype(np.float32)
    x, last, before = x * ramp[0], None, 1.0
    for sigma, target in zip(ramp, [*ramp[1:], 0.0], strict=True):
        clean = model.estimate(np.concatenate([x, x]), [exploding(float(sigma))] * 2 * count, conditions)
        guided = clean[count:] + scale * (clean[:count] - clean[count:])
        if target == 0.0:
            return model.decode(guided)
        step = math.log(sigma / target)
        slope = guided if last is None else guided + (guided - last) * (step / (2 * before))
        x, last, before = target / sigma * x - math.expm1(-step) * slope, guided, step
    raise AssertionError("the levels end at zero")
