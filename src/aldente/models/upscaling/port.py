"""What the renderer asks of an upscaler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from aldente.models.port import Image


@dataclass(frozen=True, kw_only=True)
class UpscalerInfo:
    """Facts about an upscaler.

    ``space`` is where it works: on pixels, or on latents, which the renderer resamples itself. ``factor`` is the one factor
    that a network was trained for, None where any size is as good. ``fingerprint`` is the SHA-256 of its weights, if any.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    space: Literal["pixel", "latent"]
    factor: int | None = None
    licence: str = ""
    fingerprint: str = ""


class Upscaler(Protocol):
    """Something that enlarges a picture. Calls are pure: the same arguments, the same bits."""

    @property
    def info(self) -> UpscalerInfo:
        """The upscaler's facts."""
        ...

    def enlarge(self, image: Image, width: int, height: int) -> Image:
        """The picture (uint8, h w 3) at exactly ``width`` x ``height``; networks run as often as needed, then resampled."""
        ...
