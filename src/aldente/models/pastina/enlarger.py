"""Pictures four times as large: the network that finishes what pastina draws."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.models.pastina.sessions import open_session
from aldente.models.pastina.threads import usable_threads
from aldente.models.port import Image

WEIGHTS = Path(__file__).parent / "weights"

REACH = 12
"""How many pixels away, in each direction, a pixel of the picture still counts: what tiles have to overlap by."""


class Enlarger:
    """A network for drawings with clear outlines on plain backgrounds; photographs are outside of what it has learned.

    The same picture gives the same bits, whatever the number of threads. Any size will do.
    """

    FACTOR = 4

    def __init__(self, *, threads: int | None = None, weights: Path = WEIGHTS) -> None:
        self._path = weights / "enlarger.onnx"
        self._threads = threads or usable_threads()

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of its weights, hexadecimal."""
        with self._path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def enlarge(self, image: Image) -> Image:
        """The picture (uint8, h w 3) as 4h 4w 3."""
        planes = np.asarray(image).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        enlarged: NDArray[np.float32]
        (enlarged,) = self._session.run(None, {"image": planes})
        pixels = np.rint((np.clip(enlarged[0], -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    @cached_property
    def _session(self) -> Any:
        return open_session(self._path, self._threads)
