"""Whether pictures show what their prompts say, measured by a scorer that is handed in: it comes with weights of its own.

Adherence goes on rising where guidance burns a picture, so it must never choose CFG alone: the flaw signs of
``quality/table.py`` judge beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aldente.quality.metric import Image

_DIGITS = 16
"""Digits of the weights' hash in a key: enough to tell any two apart."""


class Scorer(Protocol):
    """Scores pictures against prompts, each pair by itself; ``fingerprint`` is the SHA-256 of what a score depends on."""

    @property
    def name(self) -> str:
        """What the scorer is called."""
        ...

    @property
    def version(self) -> str:
        """The version of the computation around the weights."""
        ...

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the weights, hexadecimal."""
        ...

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> NDArray[np.float64]:
        """One number for each picture and its prompt; more is better."""
        ...


@dataclass(frozen=True, kw_only=True)
class Adherence:
    """The metric that a scorer makes: of a picture and its prompt, where other metrics take pictures alone."""

    scorer: Scorer
    title: str = "prompt adherence"
    unit: str = "probability"
    better: Literal["higher"] = "higher"

    @property
    def key(self) -> str:
        """The name under which a score is stored: scorer, version and weights (``pastina-adherence@1+1f0a...``)."""
        return f"{self.scorer.name}@{self.scorer.version}+{self.scorer.fingerprint[:_DIGITS]}"

    def compute(self, image: Image, prompt: str) -> float:
        """The score of one picture."""
        return float(self.scorer.score([image], [prompt])[0])

    def computed(self, images: Sequence[Image], prompts: Sequence[str]) -> list[dict[str, float]]:
        """The score of each picture by its key, as records store scores; the keys do not depend on the company."""
        return [{self.key: float(value)} for value in self.scorer.score(images, prompts)]
