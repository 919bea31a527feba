"""Pictures to latents and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aldente.models.port import Image


class Autoencoder:
    """A VAE with its scale and shift. Rows are decoded one at a time: memory does not grow with them, nor bits change."""

    def __init__(self, vae: Any, *, device: str = "cpu") -> None:
        self._vae, self._device = vae, device
        self._factor = float(vae.config.scaling_factor)
        shift = getattr(vae.config, "shift_factor", None)
        self._shift = 0.0 if shift is None else float(shift)

    @property
    def scale(self) -> int:
        """How many times smaller than a picture its latent is."""
        return int(2 ** (len(self._vae.config.block_out_channels) - 1))

    @property
    def channels(self) -> int:
        """The channels of a latent."""
        return int(self._vae.config.latent_channels)

    @property
    def offset(self) -> float:
        """What its shift takes from every latent."""
        return self._shift * self._factor

    def encode(self, image: Image) -> NDArray[np.float32]:
        """The latent, 1 c h w, of a picture (uint8, h w 3): the mean of what the encoder finds likely, not a draw from it."""
        planes = torch.tensor(np.asarray(image).transpose(2, 0, 1)[None], dtype=torch.float32) / 127.5 - 1.0
        latent: NDArray[np.float32] = self.encode_planes(planes).cpu().numpy()
        return latent

    def encode_planes(self, planes: Tensor) -> Tensor:
        """The latent of planes, b 3 h w from -1 to 1."""
        found = self._vae.encode(planes.to(device=self._device, dtype=self._vae.dtype)).latent_dist.mode()
        latent: Tensor = (found.float() - self._shift) * self._factor
        return latent

    def decode(self, latent: Any) -> list[Image]:
        """The picture (uint8, h w 3) of each row of ``latent`` (b c h w)."""
        rows = torch.tensor(np.asarray(latent), dtype=torch.float32) / self._factor + self._shift
        return [self._picture(row[None]) for row in rows]

    def _picture(self, row: Tensor) -> Image:
        planes = self._vae.decode(row.to(device=self._device, dtype=self._vae.dtype), return_dict=False)[0]
        pixels = ((planes.float()[0] / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
