"""Pictures as prompts: IP-Adapters beside a U-Net [Ye 2023]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

from aldente.models.diffusers.attending import Shown, attend
from aldente.models.diffusers.features import Features
from aldente.models.diffusers.hints import Hint, Hints

KEPT = 32
"""Pictures whose tokens stay in memory."""

MEAN, SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""The colours of the pictures that CLIP was trained on [Radford 2021]."""


class PictureAdapter:
    """An IP-Adapter: the image encoder, what makes tokens of its states, and the U-Net's matrices for them.

    ``whole`` says that it reads the one state of the whole picture, and not those of its patches.
    """

    def __init__(self, encoder: Any, projection: Any, projections: Mapping[str, tuple[Tensor, Tensor]], *, whole: bool) -> None:
        self._encoder, self._projection, self._whole = encoder, projection, whole
        self.projections = projections
        self._tokens = lru_cache(maxsize=KEPT)(self._read)

    def tokens(self, hint: Hint, *, negative: bool) -> Tensor:
        """The tokens of a picture, 1 n d; on the side of the ``negative`` prompt those of no picture."""
        return self._tokens(hint, negative)

    def _read(self, hint: Hint, negative: bool) -> Tensor:  # lru_cache counts what is called by place
        planes = seen(hint.pixels, int(self._encoder.config.image_size))
        planes = planes.to(device=self._encoder.device, dtype=self._encoder.dtype)
        if self._whole:
            states = self._encoder(planes).image_embeds
            states = torch.zeros_like(states) if negative else states
        else:
            given = torch.zeros_like(planes) if negative else planes
            states = self._encoder(given, output_hidden_states=True).hidden_states[-2]
        tokens: Tensor = self._projection(states)
        return tokens


class References:
    """The IP-Adapters that are at hand, by name, each opened when it is first used."""

    def __init__(self, adapters: Mapping[str, Callable[[], PictureAdapter]], unet: Any) -> None:
        self._openers, self._unet = dict(adapters), unet
        self._adapters: dict[str, PictureAdapter] = {}

    def shown(self, rows: Sequence[Features], hints: Sequence[Hints]) -> tuple[Shown, ...]:
        """What the rows are shown beside their prompts: all rows of an adapter together, and each picture by its weight."""
        asked: dict[str, list[tuple[int, Hint, float]]] = {}
        for row, own in enumerate(hints):
            for hint, weight in own:
                if hint.kind in self._openers:
                    asked.setdefault(hint.kind, []).append((row, hint, weight))
        return tuple(self._of(kind, questions, rows) for kind, questions in asked.items())

    def _of(self, kind: str, questions: Sequence[tuple[int, Hint, float]], rows: Sequence[Features]) -> Shown:
        adapter = self._adapter(kind)
        tokens = torch.cat([adapter.tokens(hint, negative=rows[row].negative) for row, hint, _ in questions])
        return Shown(
            projections=adapter.projections,
            rows=torch.tensor([row for row, _, _ in questions], device=tokens.device),
            tokens=tokens,
            weights=torch.tensor([weight for _, _, weight in questions], device=tokens.device),
        )

    def _adapter(self, kind: str) -> PictureAdapter:
        if kind not in self._adapters:
            self._adapters[kind] = self._openers[kind]()
            attend(self._unet)
        return self._adapters[kind]


def seen(pixels: NDArray[np.uint8], side: int) -> Tensor:
    """A picture as CLIP sees it, 1 3 ``side`` ``side``: its shorter side that long, its middle, colours evened out."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    size = (side * width // shorter, side * height // shorter)
    whole = Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BICUBIC)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    part = np.asarray(whole.crop((left, top, left + side, top + side)), np.float32) / 255.0
    evened = (part - np.asarray(MEAN, np.float32)) / np.asarray(SPREAD, np.float32)
    return torch.tensor(evened.transpose(2, 0, 1)[None])
