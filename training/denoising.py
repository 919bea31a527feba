"""Learning to denoise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aldente.models.pastina.facts import LOG_SIGMA, SIGMA_MAX, SIGMA_MIN
from training.config import Style
from training.holdout import Part
from training.loop import Averaged
from training.network import Denoiser, input_scale, velocity_target
from training.sheet import draw_sheet
from training.table import Table, cheaper
from training.weights import DENOISER, write

BARE_SHARE = 0.1
"""Share of examples that are shown without their caption."""

CHECKED = 128
"""Examples in each fixed check of the loss."""

PARTS: tuple[Part, ...] = ("train", "pair", "concept")


class Denoising:
    """The denoiser, the examples it learns from, and the fixed ones that it is checked on."""

    def __init__(self, network: Denoiser, styles: Sequence[Style], work: Path, device: torch.device, *, compiled: bool) -> None:
        self.network = network.to(device)
        self._compiled = torch.compile(self.network) if compiled else self.network
        self._device = device
        self._table = Table(styles, work, device)
        self._checks = {part: self._fixed(part) for part in PARTS}

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """The mean squared error of v, over noise levels drawn as pastina's facts say."""
        rows = self._table.draw(count, chance)
        texts = self._table.captions(rows, BARE_SHARE, chance)
        log_sigma = torch.randn(count, generator=chance, device=self._device) * LOG_SIGMA.stdev + LOG_SIGMA.mean
        sigma = log_sigma.exp().clamp(SIGMA_MIN, SIGMA_MAX)
        noise = torch.randn((count, *self._table.latent_shape), generator=chance, device=self._device)
        return self._errors(self._compiled, rows, texts, sigma, noise).mean()

    @torch.inference_mode()
    def report(self, averaged: Averaged, place: Path) -> str:
        """The loss on fixed examples of each part; a sheet of samples, and the averaged weights."""
        current = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(averaged)
        losses = {
            part: float(self._errors(self.network, *check).mean()) for part, check in self._checks.items() if len(check[0])
        }
        write(place / DENOISER, {n: w.float().cpu().numpy() for n, w in averaged.items()}, self.network.shape.to_text())
        draw_sheet(place)
        self.network.load_state_dict(current)
        return ", ".join(f"{part} {loss:.4f}" for part, loss in losses.items())

    def _errors(self, network: Any, rows: Tensor, texts: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        clean = self._table.latents(rows)
        x = (clean + noise * sigma.view(-1, 1, 1, 1)) * input_scale(sigma)
        said = self._table.said(texts)
        with cheaper(self._device):
            answer = network(x, sigma, *said)
        return (answer.float() - velocity_target(clean, noise, sigma)).square().mean((1, 2, 3))

    def _fixed(self, part: Part) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same rows, captions, levels and noise at every check."""
        chance = torch.Generator(device=self._device).manual_seed(5)
        rows = self._table.fixed(part, CHECKED, chance)
        sigma = torch.logspace(-1.3, 1.2, max(len(rows), 1), device=self._device)[: len(rows)]
        noise = torch.randn((len(rows), *self._table.latent_shape), generator=chance, device=self._device)
        return rows, self._table.first_captions(rows), sigma, noise
