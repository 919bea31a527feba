"""What passes between the parts of a checkpoint: a prompt's features, what steers, and what a network must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


class Network(Protocol):
    """A denoiser with its text encoders."""

    @property
    def clip_layers(self) -> int:
        """How many layers of the text encoder may be read, from the end."""
        ...

    def read(self, words: Words) -> Features:
        """What the text encoders make of a prompt."""
        ...

    def answer(self, x: Tensor, timesteps: Tensor, rows: Sequence[Features], residuals: Residuals) -> Tensor:
        """What the network answers to latents (b c h w) at ``timesteps`` (b); contexts are of one length."""
        ...
