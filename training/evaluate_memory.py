"""How much of what pastina draws is memory: distances to the nearest picture that it was trained on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aldente.models.pastina.model import Pastina
from training import pictures
from training.config import Config
from training.evaluate import BATCH, Asked, questions
from training.sheet import draw

LIMIT = 200
"""Pictures of each kind."""

KINDS = ("training caption", "unseen (concept, style) pair", "unseen concept")


def evaluate_memory(config: Config, work: Path, weights: Path, seed: int, limit: int = LIMIT) -> str:
    """A table by kind of prompt: distance to the nearest training picture, beside that of real pictures.

    Real pictures go through the autoencoder, as everything that is drawn does. *Its own* is the share whose nearest
    training picture is the one that the prompt describes.
    """
    model = Pastina(weights=weights)
    pixels, index = pictures.load(work)
    shown = pictures.on_background(np.asarray(pixels))
    learnt = np.asarray([row for row, picture in enumerate(index) if picture.part == "train"])
    asked_of = questions(config, index)
    lines = [f"{'nearest training picture':34} {'count':>5} {'quartiles of 255':>17} {'its own':>8}"]
    for kind in KINDS:
        asked = random.Random(seed).sample(asked_of[kind], min(limit, len(asked_of[kind])))
        drawn = np.stack(_drawn(model, asked, seed))
        rows = np.asarray([question.row for question in asked])
        lines.append(_row(kind, drawn, rows, shown, learnt))
        real = np.stack([model.decode(model.encode_image(image))[0] for image in shown[rows]])
        lines.append(_row("  real pictures of these", real, rows, shown, learnt))
    return "\n".join(lines)


def nearest(images: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each picture (n h w 3) to the nearest known one or its mirror image, root mean square of 255; its row."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    squares = np.full((len(images), len(known)), np.inf, np.float32)
    for candidates in (known, known[:, :, ::-1]):
        rows = candidates.reshape(len(known), -1).astype(np.float32)
        products = flat @ rows.T
        squares = np.minimum(squares, np.square(flat).sum(1)[:, None] + np.square(rows).sum(1)[None] - 2 * products)
    best = squares.argmin(axis=1)
    return np.sqrt(np.maximum(squares[np.arange(len(images)), best], 0) / flat.shape[1]), best


def _row(title: str, images: np.ndarray, rows: np.ndarray, shown: np.ndarray, learnt: np.ndarray) -> str:
    distance, best = nearest(images, shown[learnt])
    quartiles = " ".join(f"{value:5.1f}" for value in np.percentile(distance, [25, 50, 75]))
    own = f"{np.mean(learnt[best] == rows):8.0%}" if np.isin(rows, learnt).all() else ""
    return f"{title:34} {len(images):5} {quartiles:>17} {own}"


def _drawn(model: Pastina, asked: Sequence[Asked], seed: int) -> list[np.ndarray]:
    images: list[np.ndarray] = []
    for start in range(0, len(asked), BATCH):
        images += draw(model, [question.prompt for question in asked[start : start + BATCH]], seed=seed + start)
    return images
