"""Learning to make a picture small and whole again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training import pictures
from training.autoencoder_graph import metadata
from training.loop import Averaged
from training.network import Autoencoder
from training.weights import AUTOENCODER, write

CHECKED = 128
WHITE_SHARE = 0.6
RELATIVE_ENTROPY_GAIN = 3e-4
"""Weight of the pull towards a unit normal: enough to keep latents near unit spread, too little to blur."""


class Autoencoding:
    """The autoencoder, the pictures it learns from, and the held-out ones that it is checked on."""

    def __init__(self, network: Autoencoder, work: Path, device: torch.device) -> None:
        self.network = network.to(device)
        self._device = device
        pixels, index = pictures.load(work)
        self._pixels = torch.from_numpy(np.array(pixels)).to(device)
        learnt = np.asarray([picture.part == "train" for picture in index])
        self._learnt = torch.from_numpy(np.flatnonzero(learnt)).to(device)
        held = np.flatnonzero(~learnt)
        self._checked = torch.from_numpy(held if len(held) else np.flatnonzero(learnt))[:CHECKED].to(device)

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """Differences of pixels, of their means over 4 x 4 and of their slopes, and the latent's relative entropy."""
        rows = self._learnt[torch.randint(len(self._learnt), (count,), generator=chance, device=self._device)]
        white = torch.rand((count, 1, 1, 1), generator=chance, device=self._device) < WHITE_SHARE
        colour = torch.rand((count, 1, 1, 3), generator=chance, device=self._device)
        image = self._laid(rows, torch.where(white, 1.0, colour))
        if float(torch.rand(1, generator=chance, device=self._device)) < 0.5:
            image = image.flip(3)
        side = image.shape[-1] // 4
        noise = torch.randn((count, self._channels, side, side), generator=chance, device=self._device)
        rebuilt, mean, spread = self.network(image, noise)
        error = rebuilt - image
        slopes = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        entropy = 0.5 * (mean.square() + spread.exp() - 1 - spread).mean()
        pixels = error.abs().mean() + 0.5 * error.square().mean() + 0.5 * functional.avg_pool2d(error, 4).abs().mean()
        return pixels + 0.5 * slopes + RELATIVE_ENTROPY_GAIN * entropy

    @torch.inference_mode()
    def report(self, averaged: Averaged, place: Path) -> str:
        """PSNR of checked pictures; writes weights, the latents' statistics and a sheet of pictures, before and after."""
        network = type(self.network)(self.network.shape).to(self._device)
        network.load_state_dict(averaged)
        image = self._laid(self._checked, torch.ones(1, device=self._device))
        rebuilt = network.decoder(network.encoder(image)[0]).clamp(-1, 1)
        decibels = (10 * torch.log10(4 / (rebuilt - image).square().mean((1, 2, 3)))).mean()
        everything = torch.cat(
            [network.encoder(self._laid(rows, torch.ones(1, device=self._device)))[0] for rows in self._learnt.split(128)]
        )
        statistics = everything.mean((0, 2, 3)).tolist(), everything.std((0, 2, 3)).tolist()
        write(place / AUTOENCODER, {n: w.float().cpu().numpy() for n, w in averaged.items()}, metadata(statistics))
        pairs = torch.stack([image, rebuilt])[:, :16].permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
        Image.fromarray(((pairs + 1) * 127.5).round().byte().cpu().numpy()).save(place / "autoencoder.png")
        return f"held-out pictures {float(decibels):.2f} dB"

    @property
    def _channels(self) -> int:
        return self.network.shape.channels

    def _laid(self, rows: Tensor, background: Tensor) -> Tensor:
        """Pictures on a background given as 0 to 1: b 3 h w in [-1, 1]."""
        pixels = self._pixels[rows].float() / 255
        opacity = pixels[..., 3:]
        return ((pixels[..., :3] * opacity + background * (1 - opacity)) * 2 - 1).permute(0, 3, 1, 2)
