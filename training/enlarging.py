"""Learning to enlarge what pastina draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training import large
from training.captions import COLOURS
from training.config import Config
from training.drawn import Redrawing
from training.enlarger_network import Enlarger
from training.loop import Averaged
from training.shape import FACTOR
from training.weights import ENLARGER, write

PLAIN_SHARE, WHITE_SHARE = 0.3, 0.5
"""Shares of examples that did not go through the autoencoder, and that stand on white."""

CROP = 40
CHECKED, CHECKED_NOISE = 96, 0.2
"""Pictures of the fixed check, and the noise in their latents."""

SLOPES_GAIN = 1.0
SOFTNESS = 1e-3


class Enlarging:
    """The enlarger, the large pictures it learns from, and the held-out ones that it is checked on."""

    def __init__(self, network: Enlarger, config: Config, work: Path, device: torch.device) -> None:
        self.network = network.to(device)
        self._device = device
        self._pixels, index = large.load(work)
        parts = np.asarray([picture.part for picture in index])
        self._learnt = np.flatnonzero(parts == "train")
        held = np.flatnonzero(parts == "concept")
        self._checked = held[:: max(1, len(held) // CHECKED)][:CHECKED]
        self._colours = torch.tensor(sorted(COLOURS.values()), device=device) / 255
        self._redraw = Redrawing(config, work, device)

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """Soft absolute differences of the colours and of their slopes [Charbonnier 1994]."""
        rows = self._learnt[torch.randint(len(self._learnt), (count,), generator=chance, device=self._device).cpu().numpy()]
        wanted = self._turned(self._laid(rows, self._backgrounds(count, chance)), chance)
        small = self._drawn(functional.avg_pool2d(wanted, FACTOR), chance)
        side = small.shape[-1]
        top, left = (int(torch.randint(side - CROP + 1, (1,), generator=chance, device=self._device)) for _ in range(2))
        wanted = wanted[..., FACTOR * top : FACTOR * (top + CROP), FACTOR * left : FACTOR * (left + CROP)]
        error = self.network(small[..., top : top + CROP, left : left + CROP].contiguous()) - wanted
        slopes = _soft(error.diff(dim=2)).mean() + _soft(error.diff(dim=3)).mean()
        return _soft(error).mean() + SLOPES_GAIN * slopes

    @torch.inference_mode()
    def report(self, averaged: Averaged, place: Path) -> str:
        """PSNR on held-out concepts, plain and drawn, beside bicubic; the averaged weights and a sheet of pictures."""
        network = Enlarger(self.network.shape).to(self._device)
        network.load_state_dict(averaged)
        write(place / ENLARGER, {n: w.float().cpu().numpy() for n, w in averaged.items()}, network.shape.to_text())
        wanted = self._laid(self._checked, torch.ones((len(self._checked), 3, 1, 1), device=self._device))
        plain = functional.avg_pool2d(wanted, FACTOR)
        drawn = self._redraw(plain, torch.Generator(device=self._device).manual_seed(5), CHECKED_NOISE)
        lines = []
        for kind, small in {"plain": plain, "drawn": drawn}.items():
            curved = functional.interpolate(small, scale_factor=FACTOR, mode="bicubic")
            straight, ours = _decibels(curved, wanted), _decibels(network(small), wanted)
            lines.append(f"{kind} {ours:.2f} dB (bicubic {straight:.2f})")
        shown = torch.stack([curved, network(small), wanted])[:, :6].permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
        pixels = ((shown.clamp(-1, 1) + 1) * 127.5).round().byte()
        Image.fromarray(pixels.cpu().numpy()).save(place / "enlarger.png")
        return ", ".join(lines)

    def _drawn(self, small: Tensor, chance: torch.Generator) -> Tensor:
        """Most of the pictures as pastina would draw them."""
        plain = torch.rand((len(small), 1, 1, 1), generator=chance, device=self._device) < PLAIN_SHARE
        return torch.where(plain, small, self._redraw(small, chance))

    def _backgrounds(self, count: int, chance: torch.Generator) -> Tensor:
        """White, a colour that captions know, or any colour: count 3 1 1 in [0, 1]."""
        named = self._colours[torch.randint(len(self._colours), (count,), generator=chance, device=self._device)]
        any_colour = torch.rand((count, 3), generator=chance, device=self._device)
        choice = torch.rand((count, 1), generator=chance, device=self._device)
        coloured = torch.where(choice < (1 + WHITE_SHARE) / 2, named, any_colour)
        return torch.where(choice < WHITE_SHARE, 1.0, coloured)[..., None, None]

    def _laid(self, rows: np.ndarray, background: Tensor) -> Tensor:
        """The pictures on their backgrounds: b 3 h w in [-1, 1]."""
        pixels = torch.from_numpy(self._pixels[rows]).to(self._device).permute(0, 3, 1, 2).float() / 255
        return (pixels[:, :3] * pixels[:, 3:] + background * (1 - pixels[:, 3:])) * 2 - 1

    def _turned(self, images: Tensor, chance: torch.Generator) -> Tensor:
        """All of them mirrored or turned in one of the eight ways a square can be."""
        ways = torch.rand(3, generator=chance, device=self._device) < 0.5
        if ways[0]:
            images = images.flip(2)
        if ways[1]:
            images = images.flip(3)
        return images.transpose(2, 3) if ways[2] else images


def _soft(error: Tensor) -> Tensor:
    return (error.square() + SOFTNESS**2).sqrt()


def _decibels(images: Tensor, wanted: Tensor) -> float:
    return float((10 * torch.log10(4 / (images.clamp(-1, 1) - wanted).square().mean((1, 2, 3)))).mean())
