"""Pictures that no network of pastina was trained on, and what they show."""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parents[1] / "fixtures" / "emoji"
NAMES = ("balloon", "broccoli", "bus", "crocodile", "monkey", "princess", "violin", "volcano")
STYLES = ("3d render", "flat vector", "cartoon emoji")
COLOURS = {"white": (255, 255, 255), "red": (224, 60, 60), "green": (90, 180, 90), "blue": (70, 130, 220)}


def small(name, style, colour="white"):
    """The picture at 64 px on a background."""
    column, row = NAMES.index(name), STYLES.index(style)
    return _laid(_sheet("small.png")[64 * row : 64 * row + 64, 64 * column : 64 * column + 64], colour)


def large(number, colour="white"):
    """One of four pictures at 256 px on a background."""
    return _laid(_sheet("large.png")[:, 256 * number : 256 * number + 256], colour)


def shrunk(image):
    """The picture at a quarter of its size, by area."""
    height, width, _ = image.shape
    return np.rint(image.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))).astype(np.uint8)


def _sheet(name):
    return np.asarray(Image.open(FOLDER / name))


def _laid(pixels, colour):
    opacity = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * opacity + np.asarray(COLOURS[colour]) * (1 - opacity)).astype(np.uint8)
