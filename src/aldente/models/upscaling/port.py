"""What the renderer asks of an upscaler."""

from __future__ import annotations

from collections.abc import Callable
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


@dataclass(frozen=True, kw_only=True)
class UpscalerEntry:
    """An upscaler by ``name``, by its ``title`` in A1111, or by one of its ``aliases``.

    ``space`` is where it works; ``factor`` the factor of a network, None where any size is as good. ``load`` opens it on so
    many threads, or on as many as suit it; it raises UserError where a package is missing.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    space: Literal["pixel", "latent"]
    factor: int | None
    load: Callable[[int | None], Upscaler]
