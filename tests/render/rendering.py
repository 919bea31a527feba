"""What the tests of rendering share: a model known in closed form, small recipes, and drawing them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from aldente.models.port import ModelInfo, Runtime
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Limits
from aldente.render.render import Rendered, render

PICTURE, SPREAD = 0.5, 0.8


def mean_of(words: str, shape: tuple[int, ...]) -> np.ndarray:
    """The mean of the pictures under a condition, c h w: no two numbers are the same."""
    return PICTURE + 0.02 * len(words) * np.cos(np.arange(math.prod(shape))).reshape(shape)


class Analytic:
    """A rectified-flow model of 2 x 2 latents whose pictures are normal: its estimate is known in closed form.

    A condition moves the mean by a pattern times its number of letters. It keeps what it was asked.
    """

    def __init__(self, *, family="flow", broken_below=0.0) -> None:
        flow = family == "flow"
        self._broken_below = broken_below
        self.asked: list[tuple[float, str]] = []
        self.info = ModelInfo(
            name="analytic", title="analytic", fingerprint="a" * 64, family=family, prediction="flow" if flow else "eps",
            latent_channels=2, latent_scale=8, sigma_min=0.01, sigma_max=1.0 if flow else 20.0,
            sigmas=tuple(np.linspace(0.001, 1.0, 100) if flow else np.geomspace(0.01, 20.0, 100)),
            native=((16, 16),), size_multiple=8, size_min=8, size_max=64, rows=4, bytes_fixed=0, bytes_per_row=1,
            prompt_tokens=100,
        )  # fmt: skip
        self.runtime = Runtime(name="numpy", version=np.__version__, device="cpu", dtype="float64")

    def encode(self, text):
        return "".join(words for words, _ in text)

    def estimate(self, x, levels, conditions):
        rows = []
        for row, (alpha, sigma), words in zip(x, levels, conditions, strict=True):
            self.asked.append((sigma, words))
            mean = mean_of(words, row.shape)
            gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
            rows.append(np.full_like(row, np.nan) if sigma < self._broken_below else mean + gain * (row - alpha * mean))
        return np.stack(rows).astype(x.dtype)

    def decode(self, latent):
        return [np.clip(255 * np.moveaxis(np.repeat(one[:1], 3, axis=0), 0, 2), 0, 255).astype(np.uint8) for one in latent]


def made(prompt="a red apple, 3d render", **settings) -> Recipe:
    """A small picture: two steps shorter than anybody would draw, but with all that a picture has."""
    return set_parameters(Recipe(), {"prompt": prompt, "steps": 5, "cfg": 5.0, "seed": 11, **settings})


def draw_all(recipes, model, **limits) -> list[Rendered]:
    found = {id(r.recipe): r for r in render(recipes, model, clock=itertools.count().__next__, limits=Limits(**limits))}
    return [found[id(recipe)] for recipe in recipes]


def draw(recipe, model) -> Rendered:
    (rendered,) = draw_all([recipe], model)
    if rendered.error is not None:
        raise rendered.error
    return rendered


def tiny(prompt="a cat", **settings) -> Recipe:
    """A picture of the analytic model."""
    return made(prompt, width=16, height=16, **settings)


def differ(a: Rendered, b: Rendered) -> float:
    return float(np.abs(a.latent - b.latent).max())
