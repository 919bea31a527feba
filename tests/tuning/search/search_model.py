"""A model known in closed form: every number of a picture is one of two Gaussians around what the prompt means there."""

import hashlib

import numpy as np

from aldente.engine.schedules.span import STABLE_DIFFUSION
from aldente.models.port import ModelInfo, Runtime
from aldente.store import open_store
from aldente.studio.workbench import Workbench

SIDE, APART, DEVIATION = 24, 0.6, 0.3


class Analytic:
    """Latents are 3 x 24 x 24, and the picture is the latent in 8 bits."""

    def __init__(self):
        self.rows = 0
        self.info = ModelInfo(
            name="pastina", title="analytic", fingerprint=hashlib.sha256(b"analytic").hexdigest(), family="exploding",
            prediction="x0", latent_channels=3, latent_scale=1, sigma_min=STABLE_DIFFUSION[0], sigma_max=STABLE_DIFFUSION[-1],
            sigmas=STABLE_DIFFUSION, native=((SIDE, SIDE),), size_multiple=1, size_min=8, size_max=SIDE, rows=64, bytes_fixed=0,
            bytes_per_row=1, prompt_tokens=77,
        )  # fmt: skip
        self.runtime = Runtime(name="numpy", version=np.__version__, device="cpu", dtype="float32")

    def encode(self, text):
        return "".join(part for part, _ in text)

    def estimate(self, x, levels, conditions):
        self.rows += len(levels)
        meant = np.stack([_meant(words) for words in conditions])
        sigma = np.array([level.sigma for level in levels])[:, None, None, None]
        spread = DEVIATION**2 + sigma**2
        away = x - meant
        centre = meant + APART * np.tanh(APART * away / spread)
        return (centre + DEVIATION**2 / spread * (x - centre)).astype(x.dtype)

    def decode(self, latent):
        return [np.clip(128 + 48 * np.moveaxis(row, 0, -1), 0, 255).round().astype(np.uint8) for row in np.asarray(latent)]


def _meant(words):
    """A smooth field of the prompt's own; 0 for no prompt."""
    if not words:
        return np.zeros((3, SIDE, SIDE))
    rng = np.random.default_rng(int(hashlib.sha256(words.encode()).hexdigest()[:8], 16))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return np.stack(
        [np.sin(2 * np.pi * (rng.uniform(0.5, 2) * x + rng.uniform(0.5, 2) * y) + rng.uniform(0, 6)) for _ in range(3)]
    )


def workbench(path, model=None):
    """A workbench on a store at ``path`` with the model."""
    model = model or Analytic()
    return Workbench(store=open_store(str(path)), load=lambda _: model, draw_seed=lambda: 77)
