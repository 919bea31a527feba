"""The one table of noise sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aldente.engine.errors import unknown
from aldente.engine.noise.nvidia import nv
from aldente.engine.noise.sequence import Stream, keyed
from aldente.engine.noise.torch_cpu import cpu


@dataclass(frozen=True, kw_only=True)
class RngInfo:
    """Facts about a source of noise; ``stream(seed)`` draws one image's noise in order.

    ``by_level`` says that step noise is asked by level (``brownian``, ``independent``) instead of in order (``in_order``).
    """

    name: str
    title: str
    stream: Callable[[int], Stream]
    by_level: bool = False


RNGS: tuple[RngInfo, ...] = (
    RngInfo(name="aldente", title="aldente: one stream per purpose, the same on every machine", stream=keyed, by_level=True),
    RngInfo(name="nv", title="NV: as on an NVIDIA card", stream=nv),
    RngInfo(name="cpu", title="CPU: as torch on a CPU", stream=cpu),
)


def rngs() -> tuple[RngInfo, ...]:
    """All sources of noise."""
    return RNGS


def find_rng(name: str) -> RngInfo:
    """The source of that name, whatever its capitals; UserError if there is none."""
    for info in RNGS:
        if info.name == name.lower():
            return info
    raise unknown("rng", name, (info.name for info in RNGS))
