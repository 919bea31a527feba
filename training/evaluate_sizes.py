"""How pastina's pictures fall off away from the size that it was trained at."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aldente.models.pastina.model import Pastina
from training import pictures
from training.config import Config
from training.evaluate import BATCH, Asked, Judge, questions
from training.sheet import draw

SIZES = ((48, 48), (64, 64), (80, 80), (96, 96), (128, 128), (48, 96), (96, 48), (64, 96), (96, 64))
"""Heights and widths in pixels."""

LIMIT = 120
"""Pictures of each size."""


def evaluate_sizes(config: Config, work: Path, weights: Path, seed: int, limit: int = LIMIT) -> str:
    """A table by size: tokens, how often the concept is recognised, and time beside the native size."""
    model, judge = Pastina(weights=weights), Judge(work)
    _, index = pictures.load(work)
    captioned = questions(config, index)["training caption"]
    asked = random.Random(seed).sample(captioned, min(limit, len(captioned)))
    found = {size: _drawn(model, asked, size, seed) for size in SIZES}
    unit = found[model.info.native[0]][1]
    lines = [f"{'height x width':14} {'count':>5} {'tokens':>7} {'top-1':>7} {'top-5':>7} {'time':>6}"]
    for (height, width), (images, seconds) in found.items():
        ranks = judge.ranks([on_square(image) for image in images], [question.concept for question in asked])
        tokens = height * width // model.info.size_multiple**2
        recognised = f"{np.mean(ranks < 1):7.0%} {np.mean(ranks < 5):7.0%}"
        lines.append(f"{f'{height} x {width}':14} {len(asked):5} {tokens:7} {recognised} {seconds / unit:6.2f}")
    return "\n".join(lines)


def on_square(image: np.ndarray) -> np.ndarray:
    """The picture (h w 3) in the middle of a white square, so that the judge sees it undistorted."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def _drawn(model: Pastina, asked: Sequence[Asked], size: tuple[int, int], seed: int) -> tuple[list[np.ndarray], float]:
    """The pictures, and the median seconds of a full batch of them."""
    images: list[np.ndarray] = []
    taken = []
    for start in range(0, len(asked), BATCH):
        begun = time.perf_counter()
        images += draw(model, [question.prompt for question in asked[start : start + BATCH]], seed=seed + start, size=size)
        taken.append(time.perf_counter() - begun)
    return images, float(np.median(taken))
