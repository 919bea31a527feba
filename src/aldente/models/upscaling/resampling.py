"""Upscalers without a network: what lies between the pixels is a weighted mean of those around.

They weight the stored values, as every other program does, and not the light that those stand for: weighting light would
thicken bright strokes on dark ground, and no picture of another program could be remade.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL.Image import Resampling, fromarray

from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.models.upscaling.port import UpscalerInfo


@dataclass(frozen=True, kw_only=True)
class Resampler:
    """Pillow's resampling with one kernel; towards smaller sizes the kernel widens, so that nothing flickers."""

    info: UpscalerInfo
    kernel: Resampling

    def enlarge(self, image: Image, width: int, height: int) -> Image:
        """The picture (uint8, h w 3) at ``width`` x ``height``."""
        return np.asarray(fromarray(np.ascontiguousarray(image)).resize((width, height), self.kernel))


@dataclass(frozen=True, kw_only=True)
class LatentResampler:
    """The name of a way to enlarge latents, which the renderer does itself."""

    info: UpscalerInfo

    def enlarge(self, image: Image, width: int, height: int) -> Image:
        """Raises UserError: there is no latent here."""
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise UserError(
            f"upscaler '{self.info.name}' enlarges latents while they are drawn, but this is a picture of {size} pixels"
            f" to be {width} x {height}; choose one of pixels, such as 'lanczos'."
        )
