"""What a LoRA is trained for: a network with all that goes around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from aldente.models.lora.training.adapters import Adapters
from aldente.models.lora.training.buckets import Size
from aldente.models.port import Image


class Noised(NamedTuple):
    """Examples at noise levels: the latents (b c h w), the noise in them, the levels (b), and the signal-to-noise ratios (b).

    The ratios are those of [Hang 2023]; zeros where the loss is not weighed by them.
    """

    clean: Tensor
    noise: Tensor
    levels: Tensor
    snr: Tensor


class Subject(Protocol):
    """A network to train a LoRA for."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells its weights from others."""
        ...

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The buckets that it trains at."""
        ...

    @property
    def targets(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of the weights that a LoRA changes, by the name of their module."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a LoRA's file says of the model, in Kohya's words."""
        ...

    def latent(self, image: Image) -> Tensor:
        """The latent, 1 c h w, of a picture of one of the ``sizes``."""
        ...

    def read(self, caption: str) -> Any:
        """What the text encoders make of a caption."""
        ...

    def noised(self, clean: Tensor, chance: torch.Generator) -> Noised:
        """Latents at noise levels drawn as the network was trained on them."""
        ...

    def errors(self, noised: Noised, captions: Sequence[Any], adapters: Adapters) -> Tensor:
        """The mean squared error of the network's answer to each row, with what the adapters add."""
        ...

    def weigh(self, noised: Noised, gamma: float | None) -> Tensor:
        """How much each row's error counts: with ``gamma``, less where there is little noise [Hang 2023]."""
        ...
