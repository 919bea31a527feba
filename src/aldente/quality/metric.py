"""What a metric is: a name, a version, a unit, which way is better, and the function that computes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: uint8, ``h w 3``, RGB."""

Plane = NDArray[np.float64]
"""One value per pixel, ``h w``."""

Mask = NDArray[np.bool_]
"""Which pixels are meant, ``h w``."""

Tensor = NDArray[Any]
"""An array of any shape and real type."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A metric of two pictures of one size.

    ``reference`` metrics measure the error against a known answer; ``structure`` metrics how far two equals differ.
    """

    name: str
    version: int
    title: str
    unit: str
    kind: Literal["reference", "structure"]
    better: Literal["higher", "lower"]
    compute: Callable[[Image, Image], float]


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A metric of one picture that is judged paired: against the same prompt and seed at another setting.

    ``worse`` says which way a flaw moves it; ``noticeable`` is the change that counts, in the sign's own unit (how it
    was set is told in ``quality/table.py``). A ``content`` sign is a fact about the picture, not a flaw.
    """

    name: str
    version: int
    title: str
    unit: str
    kind: Literal["flaw", "content"]
    worse: Literal["more", "less"]
    noticeable: float
    compute: Callable[[Image], float]

    def worsening(self, value: float, baseline: float) -> float:
        """How much worse ``value`` is than ``baseline``, in noticeable changes; negative is better."""
        change = (value - baseline) / self.noticeable
        return change if self.worse == "more" else -change


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A metric of a set of pictures of one size, such as those of one prompt over seeds: how different they are."""

    name: str
    version: int
    title: str
    unit: str
    compute: Callable[[Sequence[Image]], float]


Metric = Comparison | Sign


def key(metric: Metric | Spread) -> str:
    """The name under which a score is stored: ``psnr@1``. A changed computation is a new version, never the same key."""
    return f"{metric.name}@{metric.version}"
