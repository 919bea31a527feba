"""Forty recipes whose pictures are recorded, so that a change of weights, graphs, samplers or noise cannot go unseen.

``python tests/models/recorded_pictures.py`` records them anew, after the weights have changed on purpose.
"""

import time
from pathlib import Path

import numpy as np
from PIL import Image

from aldente.models.pastina import load
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.render import render

SHEET = Path(__file__).parent.parent / "fixtures" / "pastina-pictures.png"
ACROSS, SIDE = 8, 64

PROMPTS = (
    "red apple, 3d render", "castle, 3d render", "owl, 3d render", "hamburger, flat vector", "police officer, 3d render",
    "automobile on a light blue background, 3d render", "grinning face, 3d render", "guitar, cartoon emoji",
)  # fmt: skip
SETTINGS = (
    {"sampler": "DPM++ 2M Karras", "steps": 20, "cfg": 4.5},
    {"sampler": "Euler a", "schedule": "karras", "steps": 12, "cfg": 3},
    {"sampler": "UniPC", "schedule": "exponential", "steps": 10, "cfg": 7, "cfg_rescale": 0.5},
    {"sampler": "DPM++ SDE Karras", "steps": 8, "cfg": 2, "negative": "blurry", "guidance_high": 10},
    {"sampler": "Heun", "schedule": "ays_sdxl", "steps": 6, "cfg": 4, "variation_seed": 9, "variation_strength": 0.4},
)


def recipes() -> list[Recipe]:
    """Every prompt under every setting, each with a seed of its own."""
    return [
        set_parameters(Recipe(), {"prompt": prompt, "seed": 100 * row + column} | said)
        for row, said in enumerate(SETTINGS)
        for column, prompt in enumerate(PROMPTS)
    ]


def drawn() -> list[np.ndarray]:
    """Their pictures, in order."""
    asked = recipes()
    made = {done.recipe.digest(): done.image for done in render(asked, load(2), clock=time.perf_counter)}
    return [made[recipe.digest()] for recipe in asked]


def recorded() -> list[np.ndarray]:
    """The pictures on the sheet, in order."""
    sheet = np.asarray(Image.open(SHEET).convert("RGB"))
    rows = range(0, sheet.shape[0], SIDE)
    return [sheet[top : top + SIDE, left : left + SIDE] for top in rows for left in range(0, ACROSS * SIDE, SIDE)]


if __name__ == "__main__":
    pictures = drawn()
    lines = [np.concatenate(pictures[start : start + ACROSS], axis=1) for start in range(0, len(pictures), ACROSS)]
    Image.fromarray(np.concatenate(lines)).save(SHEET, optimize=True)
