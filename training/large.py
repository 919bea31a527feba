"""Every concept of the packages at four times pastina's size: what the enlarger and the scorer learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from training import pictures
from training.config import Config
from training.pictures import Picture
from training.shape import FACTOR

FOLDER = "large"
"""Where in the work folder they lie."""


def prepare(config: Config, work: Path) -> None:
    """Draw them, unless they are there already: all concepts, since neither network has to remember how one is drawn."""
    folder = work / FOLDER
    if (folder / "pictures.json").exists():
        return
    wanted = replace(config.pictures, size=FACTOR * config.pictures.size, concepts=())
    folder.mkdir(parents=True, exist_ok=True)
    pictures.build(replace(config, pictures=wanted), folder, work / "packages")


def load(work: Path) -> tuple[np.ndarray, list[Picture]]:
    """The pixels (n h w 4, uint8) and the index."""
    return pictures.load(work / FOLDER)


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """The pictures at pastina's size, averaged with their opacity so that transparent pixels lend no colour."""
    count, height, width, _ = pixels.shape
    small = np.empty((count, height // FACTOR, width // FACTOR, 4), np.uint8)
    for row, picture in enumerate(pixels):
        opacity = picture[..., 3:].astype(np.float32)
        cells = np.concatenate([picture[..., :3] * opacity, opacity], axis=2)
        mean = cells.reshape(height // FACTOR, FACTOR, width // FACTOR, FACTOR, 4).mean(axis=(1, 3))
        small[row] = np.rint(np.concatenate([mean[..., :3] / np.maximum(mean[..., 3:], 1e-6), mean[..., 3:]], axis=2))
    return small
