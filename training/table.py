"""The examples on the device that learns from them, and how they are drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import pictures
from training.config import Style
from training.examples import CACHE
from training.holdout import Part

WHITE_SHARE = 0.85
"""Share of examples that are shown on white."""


class Table:
    """All examples: latents, and the captions that fit each."""

    def __init__(self, styles: Sequence[Style], work: Path, device: torch.device) -> None:
        cache = np.load(work / CACHE)
        _, index = pictures.load(work)
        self.device = device
        self._columns = {name: torch.from_numpy(cache[name]).to(device) for name in cache.files if cache[name].ndim}
        self._empty = int(cache["empty"])
        self._parts, self._on_white = np.asarray([picture.part for picture in index])[cache["picture"]], cache["white"]
        share = {style.name: style.share for style in styles}
        shares = np.asarray([share[picture.style] for picture in index])[cache["picture"]]
        learnt = shares * (self._parts == "train")
        self._white, self._coloured = (self._weighted(learnt * chosen) for chosen in (self._on_white, ~self._on_white))

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Channels and sides of a latent."""
        return tuple(self._columns["latents"].shape[1:])

    def draw(self, count: int, chance: torch.Generator) -> Tensor:
        """Examples to learn from, most of them on white, styles by their share."""
        on_white = self._uniform(count, chance) < WHITE_SHARE
        white, coloured = (self._pick(steps, count, chance) for steps in (self._white, self._coloured))
        return torch.where(on_white, white, coloured)

    def fixed(self, part: Part, count: int, chance: torch.Generator) -> Tensor:
        """At most ``count`` examples of a part, on white."""
        rows = torch.from_numpy(np.flatnonzero((self._parts == part) & self._on_white)).to(self.device)
        return rows[torch.randperm(len(rows), generator=chance, device=self.device)[:count]]

    def latents(self, rows: Tensor) -> Tensor:
        """The clean latents of examples."""
        return self._columns["latents"][rows].float()

    def pictures(self, rows: Tensor) -> Tensor:
        """Which picture each example shows."""
        return self._columns["picture"][rows]

    def captions(self, rows: Tensor, bare_share: float, chance: torch.Generator) -> Tensor:
        """A caption of each example, the empty one for a share of them."""
        choice = (self._uniform(len(rows), chance) * self._columns["count"][rows]).long()
        texts = self._columns["captions"][rows, choice]
        return torch.where(self._uniform(len(rows), chance) < bare_share, self._empty, texts)

    def first_captions(self, rows: Tensor) -> Tensor:
        """The plainest caption of each example."""
        return self._columns["captions"][rows, 0]

    def said(self, texts: Tensor) -> list[Tensor]:
        """What the text encoder makes of captions: states, pooled, mask."""
        return [self._columns[name][texts].float() for name in ("states", "pooled", "mask")]

    def _weighted(self, shares: np.ndarray) -> Tensor:
        """The running sum of the examples' shares, from 0 to 1."""
        return torch.from_numpy(np.cumsum(shares) / shares.sum()).to(self.device)

    def _pick(self, steps: Tensor, count: int, chance: torch.Generator) -> Tensor:
        drawn = torch.rand(count, generator=chance, device=self.device, dtype=steps.dtype)
        return torch.searchsorted(steps, drawn, right=True)

    def _uniform(self, count: int, chance: torch.Generator) -> Tensor:
        return torch.rand(count, generator=chance, device=self.device)


def cheaper(device: torch.device) -> AbstractContextManager[object]:
    """Half precision where it is fast; on processors it is slower than single [measured]."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
