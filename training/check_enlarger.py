"""How good enlarged pictures are: pictures of concepts that the enlarger never saw, beside what resampling makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from aldente.models.pastina.enlarger import Enlarger
from aldente.models.pastina.model import Pastina
from aldente.quality.reference import psnr, ssim
from training import large, pictures
from training.captions import COLOURS
from training.config import Config
from training.shape import FACTOR

NOISE = 0.2
"""Deviation of what is added to the latents of the pictures called drawn."""

FLAT = 24
"""Side of the flat pictures, in pixels."""


def check_enlarger(config: Config, work: Path, weights: Path, limit: int = 120) -> str:
    """A table of PSNR and SSIM at the full size, plain and as drawn, and the most that a flat picture is changed by."""
    large.prepare(config, work)
    pixels, index = large.load(work)
    held = [row for row, picture in enumerate(index) if picture.part == "concept"]
    wanted = pictures.on_background(np.asarray(pixels[held[:: max(1, len(held) // limit)][:limit]]))
    small = [_pooled(image) for image in wanted]
    enlarger, model = Enlarger(weights=weights), Pastina(weights=weights)
    ways = {"bicubic": _resampled(Image.Resampling.BICUBIC), "Lanczos": _resampled(Image.Resampling.LANCZOS)}
    ways["pastina-4x"] = enlarger.enlarge
    lines = [f"{'four times as large':24} {'count':>5} {'PSNR':>8} {'SSIM':>7}"]
    for kind, images in {"plain": small, "drawn": _drawn(model, small)}.items():
        for name, enlarge in ways.items():
            pairs = [(enlarge(image), one) for image, one in zip(images, wanted, strict=True)]
            decibels, likeness = (np.mean([measure(*pair) for pair in pairs]) for measure in (psnr, ssim))
            lines.append(f"{f'{kind}, {name}':24} {len(pairs):5} {decibels:5.2f} dB {likeness:7.4f}")
    return "\n".join([*lines, f"a flat picture is changed by at most {_unevenness(enlarger)} steps of 255"])


def _pooled(image: np.ndarray) -> np.ndarray:
    height, width, _ = image.shape
    cells = image.reshape(height // FACTOR, FACTOR, width // FACTOR, FACTOR, 3).astype(np.float32)
    return np.rint(cells.mean(axis=(1, 3))).astype(np.uint8)


def _resampled(method: Image.Resampling) -> Callable[[np.ndarray], np.ndarray]:
    def enlarge(image: np.ndarray) -> np.ndarray:
        height, width, _ = image.shape
        return np.asarray(Image.fromarray(image).resize((FACTOR * width, FACTOR * height), method))

    return enlarge


def _drawn(model: Pastina, images: list[np.ndarray]) -> list[np.ndarray]:
    """The pictures out of pastina's autoencoder, from latents that are a little wrong."""
    chance = np.random.default_rng(5)
    latents = np.concatenate([model.encode_image(image) for image in images])
    noise = chance.standard_normal(latents.shape, dtype=np.float32)
    return [image for row in latents + NOISE * noise for image in model.decode(row[None])]


def _unevenness(enlarger: Enlarger) -> int:
    """The most by which any pixel of a flat picture leaves its colour, over white and the backgrounds by name."""
    flats = [np.full((FLAT, FLAT, 3), colour, np.uint8) for colour in [(255, 255, 255), *COLOURS.values()]]
    return max(int(np.abs(enlarger.enlarge(flat).astype(int) - flat[0, 0]).max()) for flat in flats)
