"""A thing that no model knows: a zorbo, green and one-eyed, with two antennae. The same pictures for a seed.

As a program, it writes a folder in Kohya's layout::

    python tests/models/lora/zorbo.py /tmp/zorbo
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE, FINE = 64, 4


def zorbo(seed: int) -> Image.Image:
    """One zorbo on white, a little different each time."""
    chance = np.random.default_rng(seed)
    big = SIDE * FINE
    picture = Image.new("RGB", (big, big), "white")
    pen = ImageDraw.Draw(picture)
    x, y = big / 2 + chance.uniform(-0.05, 0.05, 2) * big
    wide, tall = chance.uniform(0.26, 0.34) * big, chance.uniform(0.28, 0.36) * big
    for way in (-1, 1):
        tip = (x + way * wide * 0.7, y - tall * 1.35)
        pen.line([(x + way * wide * 0.3, y - tall * 0.7), tip], fill=(70, 110, 40), width=int(big * 0.025))
        pen.ellipse(_around(*tip, big * 0.05), fill=(240, 120, 30))
        pen.ellipse(_around(x + way * wide * 0.5, y + tall * 0.95, big * 0.08), fill=(70, 150, 60))
    pen.ellipse((x - wide, y - tall, x + wide, y + tall), fill=(110, 200, 80), outline=(60, 120, 40), width=int(big * 0.015))
    pen.ellipse(_around(x, y - tall * 0.2, wide * 0.5), fill="white", outline=(60, 60, 60), width=int(big * 0.01))
    pen.ellipse(_around(x + chance.uniform(-0.12, 0.12) * wide, y - tall * 0.2, wide * 0.22), fill=(30, 30, 40))
    pen.arc(
        (x - wide * 0.4, y + tall * 0.2, x + wide * 0.4, y + tall * 0.65), 20, 160, fill=(40, 80, 30), width=int(big * 0.02)
    )
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _around(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def write(folder: Path, count: int = 16, repeats: int = 4) -> Path:
    """A folder of zorbos with captions, in Kohya's layout."""
    inside = folder / f"{repeats}_zorbo"
    inside.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        zorbo(seed).save(inside / f"{seed:02d}.png")
        (inside / f"{seed:02d}.txt").write_text("a zorbo", encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
