"""What the first stages of recipes gave, kept by the digest of the recipe up to there, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, Protocol

from aldente.render.scene import Canvas


class Kept(NamedTuple):
    """A canvas, and the model calls that each stage up to it asked for."""

    canvas: Canvas
    asked: tuple[int, ...]


class Prefixes(Protocol):
    """Where canvases are kept: what is found under a key is what would be made again, to the last bit."""

    def get(self, key: str) -> Kept | None:
        """What is kept under a key."""
        ...

    def put(self, key: str, kept: Kept) -> None:
        """Keep this under a key, as long as there is room."""
        ...


class PrefixCache:
    """The canvases that were used last, in ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def get(self, key: str) -> Kept | None:
        """What is kept under a key, from now on the last to go."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, key: str, kept: Kept) -> None:
        """Keep this under a key; what was used longest ago makes room for it."""
        before = self._kept.pop(key, None)
        self._bytes += canvas_bytes(kept.canvas) - (0 if before is None else canvas_bytes(before.canvas))
        self._kept[key] = kept
        while self._bytes > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= canvas_bytes(dropped.canvas)


def canvas_bytes(canvas: Canvas) -> int:
    """How much memory a canvas takes."""
    return sum(int(part.nbytes) for part in (canvas.pixels, canvas.latent, canvas.mask) if part is not None)
