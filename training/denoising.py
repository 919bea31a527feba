"""Learning to denoise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aldente.models.pastina.facts import LOG_SIGMA, SIGMA_MAX, SIGMA_MIN
from training import pictures
from training.config import Style
from training.examples import CACHE
from training.loop import Averaged
from training.network import Denoiser, input_scale, velocity_target
from training.sheet import draw_sheet
from training.weights import DENOISER, write

BARE_SHARE, WHITE_SHARE = 0.1, 0.85
"""Shares of examples that are shown without their caption, and on white."""

CHECKED = 128
"""Examples in each fixed check of the loss."""


class Denoising:
    """The denoiser, the examples it learns from, and the fixed ones that it is checked on."""

    def __init__(self, network: Denoiser, styles: Sequence[Style], work: Path, device: torch.device, *, compiled: bool) -> None:
        self.network = network.to(device)
        self._compiled = torch.compile(self.network) if compiled else self.network
        self._device = device
        cache = np.load(work / CACHE)
        _, index = pictures.load(work)
        self._table = {name: torch.from_numpy(cache[name]).to(device) for name in cache.files if cache[name].ndim}
        self._empty = int(cache["empty"])
        parts = np.asarray([picture.part for picture in index])[cache["picture"]]
        white = cache["white"]
        share = {style.name: style.share for style in styles}
        shares = np.asarray([share[picture.style] for picture in index])[cache["picture"]]
        self._white, self._coloured = (self._weighted(shares * ((parts == "train") & chosen)) for chosen in (white, ~white))
        self._checks = {part: self._fixed(self._rows((parts == part) & white)) for part in ("train", "pair", "concept")}

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """The mean squared error of v, over noise levels drawn as pastina's facts say."""
        on_white = self._uniform(count, chance) < WHITE_SHARE
        white, coloured = (self._pick(steps, count, chance) for steps in (self._white, self._coloured))
        rows = torch.where(on_white, white, coloured)
        texts = self._texts(rows, chance)
        texts = torch.where(self._uniform(count, chance) < BARE_SHARE, self._empty, texts)
        log_sigma = torch.randn(count, generator=chance, device=self._device) * LOG_SIGMA.stdev + LOG_SIGMA.mean
        sigma = log_sigma.exp().clamp(SIGMA_MIN, SIGMA_MAX)
        noise = torch.randn((count, *self._table["latents"].shape[1:]), generator=chance, device=self._device)
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
        clean = self._table["latents"][rows].float()
        x = (clean + noise * sigma.view(-1, 1, 1, 1)) * input_scale(sigma)
        said = (self._table[name][texts].float() for name in ("states", "pooled", "mask"))
        with _cheaper(self._device):
            answer = network(x, sigma, *said)
        return (answer.float() - velocity_target(clean, noise, sigma)).square().mean((1, 2, 3))

    def _fixed(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same rows, captions, levels and noise at every check."""
        chance = torch.Generator(device=self._device).manual_seed(5)
        count = min(CHECKED, len(rows))
        chosen = rows[torch.randperm(len(rows), generator=chance, device=self._device)[:count]]
        sigma = torch.logspace(-1.3, 1.2, max(count, 1), device=self._device)[:count]
        noise = torch.randn((count, *self._table["latents"].shape[1:]), generator=chance, device=self._device)
        return chosen, self._table["captions"][chosen, 0], sigma, noise

    def _texts(self, rows: Tensor, chance: torch.Generator) -> Tensor:
        choice = (self._uniform(len(rows), chance) * self._table["count"][rows]).long()
        return self._table["captions"][rows, choice]

    def _rows(self, chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(np.flatnonzero(chosen)).to(self._device)

    def _weighted(self, shares: np.ndarray) -> Tensor:
        """The running sum of the examples' shares, from 0 to 1."""
        return torch.from_numpy(np.cumsum(shares) / shares.sum()).to(self._device)

    def _pick(self, steps: Tensor, count: int, chance: torch.Generator) -> Tensor:
        drawn = torch.rand(count, generator=chance, device=self._device, dtype=steps.dtype)
        return torch.searchsorted(steps, drawn, right=True)

    def _uniform(self, count: int, chance: torch.Generator) -> Tensor:
        return torch.rand(count, generator=chance, device=self._device)


def _cheaper(device: torch.device) -> AbstractContextManager[object]:
    """Half precision where it is fast; on processors it is slower than single [measured]."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
