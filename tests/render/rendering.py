"""What the tests of rendering share: a model known in closed form, small recipes, the files they name, and drawing them."""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import NamedTuple

import numpy as np

from aldente.models.port import ModelInfo, Runtime
from aldente.models.upscaling.table import find_upscaler
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Limits
from aldente.render.render import Rendered, render

PICTURE, SPREAD = 0.5, 0.8
SCALE = 8
FILES: dict[str, np.ndarray] = {}


def mean_of(words: str, shape: tuple[int, ...]) -> np.ndarray:
    """The mean of the pictures under a condition, c h w: no two numbers are the same."""
    return PICTURE + 0.02 * len(words) * np.cos(np.arange(math.prod(shape))).reshape(shape)


class Told(NamedTuple):
    """A condition of the analytic model: words, and hints with their weights."""

    words: str
    hints: tuple = ()


class Hint(NamedTuple):
    """What the mean follows: the latent of a control picture, or of a picture with its hole."""

    kind: str
    latent: bytes
    shape: tuple[int, ...]


class Analytic:
    """A rectified-flow model of 2 x h/8 x w/8 latents whose pictures are normal: its estimate is known in closed form.

    A condition moves the mean by a pattern times its number of letters, a hint by its latent times its weight. It keeps what
    it was asked. The picture is the first channel.
    """

    def __init__(self, *, family="flow", broken_below=0.0, controls=(), inpaints=False, size_max=64) -> None:
        flow = family == "flow"
        self._broken_below = broken_below
        self.asked: list[tuple[float, str]] = []
        self.hints: list[tuple] = []
        self.seen: list[np.ndarray] = []
        self.decoded = self.rows = 0
        self.info = ModelInfo(
            name="analytic", title="analytic", fingerprint="a" * 64, family=family, prediction="flow" if flow else "eps",
            latent_channels=2, latent_scale=SCALE, sigma_min=0.01, sigma_max=1.0 if flow else 20.0,
            sigmas=tuple(np.linspace(0.001, 1.0, 100) if flow else np.geomspace(0.01, 20.0, 100)),
            native=((16, 16),), size_multiple=8, size_min=8, size_max=size_max, rows=4, bytes_fixed=0, bytes_per_row=1,
            prompt_tokens=100, controls=controls, inpaints=inpaints,
        )  # fmt: skip
        self.runtime = Runtime(name="numpy", version=np.__version__, device="cpu", dtype="float64")

    def encode(self, text):
        return Told("".join(words for words, _ in text))

    def control(self, kind, image):
        latent = self.encode_image(image)
        return Hint(kind, latent.tobytes(), latent.shape[1:])

    def inpainting(self, image, mask):
        seen = np.where(mask[..., None] > 127, np.uint8(128), image)
        return self.control("inpainting", seen)

    def hinted(self, condition, hints):
        return Told(condition.words, tuple(sorted(hints)))

    def estimate(self, x, levels, conditions):
        rows = []
        self.rows += len(levels)
        for row, (alpha, sigma), told in zip(x, levels, conditions, strict=True):
            self.asked.append((sigma, told.words))
            self.hints.append(told.hints)
            self.seen.append(row.ravel())
            mean = mean_of(told.words, row.shape)
            for hint, weight in told.hints:
                mean = mean + weight * (0.1 * len(hint.kind) + np.frombuffer(hint.latent, np.float32).reshape(hint.shape))
            gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
            rows.append(np.full_like(row, np.nan) if sigma < self._broken_below else mean + gain * (row - alpha * mean))
        return np.stack(rows).astype(x.dtype)

    def encode_image(self, image):
        height, width = (side // SCALE for side in image.shape[:2])
        blocks = np.asarray(image, np.float32).mean(axis=2).reshape(height, SCALE, width, SCALE).mean(axis=(1, 3)) / 64 - 1.5
        return np.stack([blocks, np.zeros_like(blocks)])[None]

    def decode(self, latent):
        self.decoded += len(latent)
        planes = np.clip(np.rint(64 * latent[:, 0] + 96), 0, 255).astype(np.uint8).repeat(SCALE, axis=1).repeat(SCALE, axis=2)
        return list(planes[..., None].repeat(3, axis=3))


def kept(image) -> str:
    """The hash of a picture, under which recipes find it."""
    image = np.asarray(image)
    name = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
    FILES[name] = image
    return name


def picture(width=32, height=32, seed=0) -> np.ndarray:
    """A smooth picture of any size."""
    y, x = np.mgrid[:height, :width] / 16.0
    planes = [np.cos((1 + seed) * x + channel) * np.sin((2 + channel) * y + seed) for channel in range(3)]
    return np.rint(127.5 + 100 * np.stack(planes, axis=2)).astype(np.uint8)


def hole(width=32, height=32, box=(8, 8, 24, 24)) -> np.ndarray:
    """A black mask with a white box (left, top, right, bottom)."""
    mask = np.zeros((height, width, 3), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def made(prompt="a red apple, 3d render", **settings) -> Recipe:
    """A small picture: two steps shorter than anybody would draw, but with all that a picture has."""
    return set_parameters(Recipe(), {"prompt": prompt, "steps": 5, "cfg": 5.0, "seed": 11, **settings})


def draw_all(recipes, model, *, cache=None, **limits) -> list[Rendered]:
    found = {}
    for rendered in render(
        recipes, model, clock=itertools.count().__next__, limits=Limits(**limits), files=FILES.__getitem__,
        upscaler=lambda name: find_upscaler(name).load(1), cache=cache,
    ):  # fmt: skip
        found[id(rendered.recipe)] = rendered
    return [found[id(recipe)] for recipe in recipes]


def draw(recipe, model, **more) -> Rendered:
    (rendered,) = draw_all([recipe], model, **more)
    if rendered.error is not None:
        raise rendered.error
    return rendered


def tiny(prompt="a cat", **settings) -> Recipe:
    """A picture of the analytic model."""
    return made(prompt, **{"width": 16, "height": 16, **settings})


def small(prompt="a cat", **settings) -> Recipe:
    """A picture of the analytic model, large enough for masks."""
    return tiny(prompt, **{"width": 32, "height": 32, **settings})


def differ(a: Rendered, b: Rendered) -> float:
    return float(np.abs(a.latent - b.latent).max())
