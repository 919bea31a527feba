"""What passes between the parts of a checkpoint: a prompt's features, what steers, and what a network must do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from aldente.models.diffusers.attending import Shown
from aldente.models.port import Words


@dataclass(frozen=True, kw_only=True)
class Features:
    """What the denoiser needs of a prompt: ``context``, 1 tokens d, and ``pooled``, 1 d.

    ``negative``, ``distilled`` and ``merging`` are as in ``Words``.
    """

    context: Tensor
    pooled: Tensor | None = None
    negative: bool = False
    distilled: float | None = None
    merging: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """What control networks add to a U-Net's skips and its middle, and adapters to its way down; each for all rows.

    A transformer has a part of ``skips`` for each block, and one of ``inner`` for each block of text and picture together.
    ``shown`` are pictures that it attends to beside the text.
    """

    skips: tuple[Tensor, ...] = ()
    middle: Tensor | None = None
    inner: tuple[Tensor, ...] = ()
    shown: tuple[Shown, ...] = ()


MOST_LONGER = 4
"""How many times longer than the longest context what rows share may become, so that they can be asked about together."""


def alike(rows: Sequence[Features], *, hears_again: bool) -> list[list[int]]:
    """The rows that can be answered together: whose tokens merge alike, whose contexts are or can be of one length."""
    groups: dict[tuple[float, int], list[int]] = {}
    for merging in dict.fromkeys(row.merging for row in rows):
        own = {index: row.context.shape[1] for index, row in enumerate(rows) if row.merging == merging}
        one = hears_again and math.lcm(*own.values()) <= MOST_LONGER * max(own.values())
        for index, length in own.items():
            groups.setdefault((merging, 0 if one else length), []).append(index)
    return list(groups.values())


def evened(rows: Sequence[Features]) -> list[Features]:
    """The rows with contexts of one length: shorter ones are said again, as a whole, which changes no weighted mean of them."""
    lengths = [row.context.shape[1] for row in rows]
    whole = math.lcm(*lengths)
    return [
        row if length == whole else replace(row, context=row.context.repeat(1, whole // length, 1))
        for row, length in zip(rows, lengths, strict=True)
    ]


class Network(Protocol):
    """A denoiser with its text encoders."""

    @property
    def clip_layers(self) -> int:
        """How many layers of the text encoder may be read, from the end."""
        ...

    @property
    def hears_again(self) -> bool:
        """Whether a context that is said twice over is the same context: attention to nothing else hears no difference."""
        ...

    def read(self, words: Words) -> Features:
        """What the text encoders make of a prompt."""
        ...

    def answer(self, x: Tensor, timesteps: Tensor, rows: Sequence[Features], residuals: Residuals) -> Tensor:
        """What the network answers to latents (b c h w) at ``timesteps`` (b); contexts are of one length."""
        ...
