"""Learning to be steered: by control pictures, and by what surrounds a hole. The denoiser itself stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from aldente.models.pastina.facts import CONTROLS, HOLE_GREY, SIGMA_MAX, SIGMA_MIN
from training import pictures
from training.config import Config
from training.examples import encoding, variants
from training.holes import holes
from training.line_maps import control_pictures
from training.loop import Averaged
from training.network import Denoiser, Hint, input_scale, velocity_target
from training.steering_network import Steering, joined
from training.table import Table, cheaper
from training.weights import CONTROL, write

BARE_SHARE = 0.15
"""Share of examples without caption: the hint alone must do."""

LOG_SIGMA_MEAN, LOG_SIGMA_SPREAD = 0.5, 1.4
"""Noise levels are drawn higher than for the denoiser, since shapes are decided where noise is strong."""

CHECKED = 96
"""Examples in each fixed check of the loss."""


class Batch(NamedTuple):
    """Examples with their captions, noise and hints' pictures: the first part is to be controlled, the rest to be filled."""

    rows: Tensor
    texts: Tensor
    sigma: Tensor
    noise: Tensor
    lines: Tensor
    kinds: Tensor
    latent: Tensor
    hole: Tensor


class Steered:
    """The encoders of hints, the frozen denoiser that they steer, and the examples."""

    def __init__(
        self, network: Steering, base: Denoiser, config: Config, work: Path, seed: int, device: torch.device, *, compiled: bool
    ) -> None:
        self.network, self._device = network.to(device), device
        self._base = base.to(device).requires_grad_(requires_grad=False)
        self._compiled = torch.compile(self._base) if compiled else self._base
        self._table = Table(config.styles, work, device)
        self._encode = encoding(config, work, device)
        pixels, index = pictures.load(work)
        shown = variants(index, config, seed)
        if [variant.picture for variant in shown] != self._table.pictures(torch.arange(len(shown), device=device)).tolist():
            raise SystemExit(f"the examples in {work} were made with another seed or configuration: remove examples.npz.")
        self._pixels = torch.from_numpy(np.array(pixels)).to(device)
        self._mirrored = torch.tensor([variant.mirrored for variant in shown], device=device)
        self._colour = torch.tensor([variant.colour for variant in shown], device=device) / 255
        self._checks = self._fixed()

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """The mean squared error of v under hints; half of the examples are to be controlled, half to be filled."""
        rows = self._table.draw(count, chance)
        texts = self._table.captions(rows, BARE_SHARE, chance)
        kinds = torch.randint(len(CONTROLS), (count // 2,), generator=chance, device=self._device)
        sigma = torch.randn(count, generator=chance, device=self._device) * LOG_SIGMA_SPREAD + LOG_SIGMA_MEAN
        batch = self._batch(rows, texts, sigma.exp().clamp(SIGMA_MIN, SIGMA_MAX), kinds, chance)
        return self._errors(self._compiled, batch, self._hint(batch)).mean()

    @torch.inference_mode()
    def report(self, averaged: Averaged, place: Path) -> str:
        """The loss of fixed unseen pictures with hints, and without; writes the averaged weights."""
        current = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(averaged)
        steered, plain = (self._errors(self._base, self._checks, hint) for hint in (self._hint(self._checks), None))
        self.network.load_state_dict(current)
        about = self.network.denoiser.to_text() | self.network.shape.to_text()
        write(place / CONTROL, {n: w.float().cpu().numpy() for n, w in averaged.items()}, about)
        filled = torch.full((len(self._checks.latent),), len(CONTROLS), device=self._device)
        task = torch.cat([self._checks.kinds, filled])
        means = [[float(losses[task == number].mean()) for losses in (steered, plain)] for number in range(len(CONTROLS) + 1)]
        told = zip((*CONTROLS, "inpainting"), means, strict=True)
        return ", ".join(f"{name} {with_hint:.4f} (without {without:.4f})" for name, (with_hint, without) in told)

    def _batch(self, rows: Tensor, texts: Tensor, sigma: Tensor, kinds: Tensor, chance: torch.Generator) -> Batch:
        noise = torch.randn((len(rows), *self._table.latent_shape), generator=chance, device=self._device)
        image, opacity = self._shown(rows)
        cut, side = len(kinds), image.shape[-1]
        hole = holes(len(rows) - cut, side, chance)
        return Batch(
            rows=rows,
            texts=texts,
            sigma=sigma,
            noise=noise,
            lines=control_pictures(image[:cut], opacity[:cut], kinds, chance),
            kinds=kinds,
            latent=self._encode(torch.where(hole > 0, HOLE_GREY / 255, image[cut:]) * 2 - 1),
            hole=hole,
        )

    def _shown(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures on their backgrounds, b 3 h w, and their opacity, b 1 h w, both in [0, 1]."""
        pixels = self._pixels[self._table.pictures(rows)].float() / 255
        opacity = pixels[..., 3:]
        laid = pixels[..., :3] * opacity + self._colour[rows][:, None, None] * (1 - opacity)
        both = torch.cat([laid, opacity], 3).permute(0, 3, 1, 2)
        both = torch.where(self._mirrored[rows][:, None, None, None], both.flip(3), both)
        return both[:, :3], both[:, 3:]

    def _hint(self, batch: Batch) -> Hint:
        kinds = functional.one_hot(batch.kinds, len(CONTROLS)).float()
        control = self.network.hint_of_control(batch.lines, kinds)
        return joined(control, self.network.hint_of_inpainting(batch.latent, batch.hole))

    def _errors(self, denoiser: Any, batch: Batch, hint: Hint | None) -> Tensor:
        clean = self._table.latents(batch.rows)
        x = (clean + batch.noise * batch.sigma.view(-1, 1, 1, 1)) * input_scale(batch.sigma)
        said = self._table.said(batch.texts)
        with cheaper(self._device):
            answer = denoiser(x, batch.sigma, *said, hint)
        return (answer.float() - velocity_target(clean, batch.noise, batch.sigma)).square().mean((1, 2, 3))

    def _fixed(self) -> Batch:
        """Unseen pictures if there are any, each kind of control and the filling in turn."""
        chance = torch.Generator(device=self._device).manual_seed(7)
        unseen = torch.cat([self._table.fixed(part, CHECKED, chance) for part in ("pair", "concept")])
        rows = (unseen if len(unseen) else self._table.fixed("train", CHECKED, chance))[:CHECKED]
        count = 3 * len(rows) // 4
        sigma = torch.cat([torch.logspace(-1.0, 1.2, part, device=self._device) for part in (count, len(rows) - count)])
        kinds = torch.arange(count, device=self._device) % len(CONTROLS)
        return self._batch(rows, self._table.first_captions(rows), sigma, kinds, chance)
