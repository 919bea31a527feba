"""pastina's own enlarger as an upscaler."""

from __future__ import annotations

from dataclasses import replace

from aldente.models.pastina.enlarger import REACH, Enlarger
from aldente.models.upscaling.network import Network
from aldente.models.upscaling.port import UpscalerInfo

INFO = UpscalerInfo(
    name="pastina-4x",
    title="pastina 4x",
    aliases=("pastina", "embedded", "pastina_4x"),
    space="pixel",
    factor=Enlarger.FACTOR,
    licence="Apache-2.0",
)

CORE = 128
"""Pixels of a block, wide and high; with what it has to see around it, blocks are exact."""


def load(threads: int | None) -> Network:
    """The network that comes inside the package."""
    enlarger = Enlarger(threads=threads)
    return Network(info=replace(INFO, fingerprint=enlarger.fingerprint), run=enlarger.enlarge, core=CORE, margin=REACH)
