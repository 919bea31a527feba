"""U-Nets that were trained to fill masks: they see the mask and the latent of the picture around it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from aldente.models.diffusers.autoencoder import Autoencoder
from aldente.models.diffusers.hints import INPAINTING, Hint, Hints, planes_of

KEPT = 16
"""Pictures whose latents stay in memory."""


class Holes:
    """What is shown to an inpainting U-Net beside the noisy latent; without a hint, a picture that is all hole."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        self._autoencoder = autoencoder
        self._shown = lru_cache(maxsize=KEPT)(self._show)

    def beside(self, seen: Tensor, hints: Sequence[Hints]) -> Tensor:
        """The latents (b c h w) with the mask and the latent of what lies around it: b (2c + 1) h w."""
        height, width = seen.shape[2:]
        shown = [self._of(own, int(height), int(width)) for own in hints]
        return torch.cat([seen, torch.cat(shown).to(seen)], dim=1)

    def _of(self, hints: Hints, height: int, width: int) -> Tensor:
        """What one row is shown; a hint of less weight than 1 leaves the rest to the picture that is all hole."""
        hint, weight = _hole(hints)
        shown = self._shown(hint, height, width)
        return shown if weight == 1.0 else torch.lerp(self._shown(None, height, width), shown, weight)

    def _show(self, hint: Hint | None, height: int, width: int) -> Tensor:
        scale = self._autoencoder.scale
        rows, columns = height * scale, width * scale
        if hint is None:
            hole, planes = torch.ones(1, 1, rows, columns), torch.zeros(1, 3, rows, columns)
        else:
            given = planes_of(hint.pixels, rows, columns)
            hole = (given[:, 3:] > 0.5).float()
            # In the hole the autoencoder is shown the middle grey, to the last digit.
            planes = (2.0 * given[:, :3] - 1.0) * (1.0 - hole)
        mask = torch.nn.functional.interpolate(hole, size=(height, width))
        latent = self._autoencoder.encode_planes(planes)
        return torch.cat([mask.to(latent), latent], dim=1)


def _hole(hints: Hints) -> tuple[Hint | None, float]:
    """The picture with a hole among hints and its weight, the last if there are several."""
    return next(((hint, weight) for hint, weight in reversed(hints) if hint.kind == INPAINTING), (None, 1.0))
