"""Pictures as pastina would draw them: out of the autoencoder, from latents that are a little wrong."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training.autoencoder_graph import statistics_of
from training.config import Config
from training.network import Autoencoder
from training.weights import AUTOENCODER, read

NOISE_MAX = 0.4
"""Deviation of the most noise added to latents of unit spread: about what is wrong with a drawn latent."""


class Redrawing:
    """The autoencoder that a training has made, with noise in between."""

    def __init__(self, config: Config, work: Path, device: torch.device) -> None:
        weights, about = read(work / AUTOENCODER)
        self._network = Autoencoder(config.autoencoder).to(device).eval()
        self._network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        mean, spread = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in statistics_of(about))
        self._mean, self._spread = mean, spread

    @torch.no_grad()
    def __call__(self, images: Tensor, chance: torch.Generator, amount: float | None = None) -> Tensor:
        """The pictures (b 3 h w in [-1, 1]) redrawn, in whole steps of 1/255; noise of ``amount`` or of up to the most."""
        count, _, height, width = images.shape
        device = images.device
        most = torch.rand((count, 1, 1, 1), generator=chance, device=device) * NOISE_MAX if amount is None else amount
        shape = (count, self._mean.shape[1], height // 4, width // 4)
        noise = torch.randn(shape, generator=chance, device=device)
        latent = (self._network.encoder(images)[0] - self._mean) / self._spread + most * noise
        drawn = self._network.decoder(latent * self._spread + self._mean).clamp(-1, 1)
        return (drawn * 127.5).round() / 127.5
