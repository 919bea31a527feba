"""A model known in closed form: a guided mixture of Gaussians in 16 dimensions, as pastina's stand-in where none is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aldente.engine.schedules.span import STABLE_DIFFUSION
from aldente.models.port import ModelInfo, Runtime

DIMENSIONS, CENTRES, MEANT, DEVIATION = 16, 12, 3, 0.25


class Mixture:
    """Equal Gaussians around 12 centres; a prompt means 3 of them, no prompt all. Latents are 16 x 1 x 1."""

    def __init__(self) -> None:
        self._centres = np.random.default_rng(0).normal(size=(CENTRES, DIMENSIONS))
        self.info = ModelInfo(
            name="mixture", title="guided mixture", fingerprint=hashlib.sha256(self._centres.tobytes()).hexdigest(),
            family="exploding", prediction="x0", latent_channels=DIMENSIONS, latent_scale=8,
            sigma_min=STABLE_DIFFUSION[0], sigma_max=STABLE_DIFFUSION[-1], sigmas=STABLE_DIFFUSION,
            native=((8, 8),), size_multiple=8, size_min=8, size_max=8, rows=256, bytes_fixed=0, bytes_per_row=1,
            prompt_tokens=77,
        )  # fmt: skip
        self.runtime = Runtime(name="numpy", version=np.__version__, device="cpu", dtype="float64")

    def encode(self, text: Any) -> tuple[int, ...]:
        """The centres that the words mean."""
        words = "".join(part for part, _ in text)
        if not words:
            return tuple(range(CENTRES))
        seed = int(hashlib.sha256(words.encode()).hexdigest()[:8], 16)
        return tuple(int(i) for i in np.random.default_rng(seed).choice(CENTRES, MEANT, replace=False))

    def estimate(self, x: Any, levels: Sequence[Any], conditions: Sequence[Any]) -> Any:
        """The exact mean of the clean latent."""
        flat = x.reshape(len(x), DIMENSIONS).astype(np.float64)
        spread = np.array([DEVIATION**2 + level.sigma**2 for level in levels])[:, None]
        logits = -0.5 * ((flat[:, None] - self._centres[None]) ** 2).sum(-1) / spread
        meant = np.zeros_like(logits, dtype=bool)
        for row, condition in enumerate(conditions):
            meant[row, list(condition)] = True
        logits = np.where(meant, logits, -np.inf)
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        mean = (share / share.sum(axis=1, keepdims=True)) @ self._centres
        return (mean + DEVIATION**2 / spread * (flat - mean)).reshape(x.shape).astype(x.dtype)

    def encode_image(self, image: Any) -> Any:
        """Not a model of pictures."""
        raise NotImplementedError

    def decode(self, latent: Any) -> list[Any]:
        """Not a model of pictures."""
        raise NotImplementedError
