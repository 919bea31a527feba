"""What a prompt is a picture of: the nearest of ten content categories, and how sure that is."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import unknown
from aldente.models.text_encoder import TextEncoder
from aldente.recipe.value import Value

NEAREST = 5
"""How many of a category's examples a prompt is compared with: the nearest ones, their mean."""

INTERCEPT, SLOPE = 0.25, 29.0
"""The probability that the nearest category is right is the logistic function of this line in the margin.

Fitted to the prompts of ``tests/tuning/prompts_calibrating.toml``; the tests repeat the fit.
"""

VECTORS = "categories.npz"
"""What the embedded encoder makes of the examples, so that nobody waits for that: see tests/tuning/record_categories.py."""

SURE = 0.75
"""From this probability on a category is called sure: of the calibrating prompts 90 % are, and 97 % of these are right."""


class Category(Value):
    """A kind of content with phrases that are examples of it; ``folklore`` is the preset that guides give for it, if any."""

    name: str
    title: str
    examples: tuple[str, ...]
    folklore: str | None = None


class Recognition(Value):
    """The category of a prompt, the probability that it is the right one, the runner-up, and the nearest example."""

    category: str
    title: str
    sureness: float
    second: str
    like: str

    @property
    def sure(self) -> bool:
        """Whether to rely on it."""
        return self.sureness >= SURE

    def sentence(self) -> str:
        """The finding in words."""
        if self.sure:
            return f"content: {self.title} ({self.sureness:.0%} sure; it is like '{self.like}')"
        return f"content: not sure; {self.title} ({self.sureness:.0%}) or {self.second}"


@cache
def categories() -> tuple[Category, ...]:
    """Every category, as ``categories.toml`` has them."""
    text = files("aldente.tuning").joinpath("categories.toml").read_text(encoding="utf-8")
    return tuple(Category.model_validate(facts) for facts in tomllib.loads(text)["category"])


def find_category(name: str) -> Category:
    """The category of that name; raises UserError with the nearest known one."""
    for category in categories():
        if category.name == name.strip().lower():
            return category
    raise unknown("category", name, [category.name for category in categories()])


def phrases_of(known: Sequence[Category]) -> list[str]:
    """Every example, category by category."""
    return [phrase for category in known for phrase in category.examples]


def vectors_of(encoder: TextEncoder, known: Sequence[Category]) -> NDArray[np.float32]:
    """What an encoder makes of every example, ``n d``: from ``VECTORS`` where that was read from these by this one."""
    phrases = phrases_of(known)
    with files("aldente.tuning").joinpath(VECTORS).open("rb") as file, np.load(file, allow_pickle=False) as kept:
        if str(kept["encoder"]) == encoder.name and str(kept["phrases"]) == digest_of(phrases):
            stored: NDArray[np.float32] = kept["vectors"].astype(np.float32)
            return stored
    return encoder.embed(phrases)


def digest_of(phrases: Sequence[str]) -> str:
    """The SHA-256 of phrases in their order."""
    return hashlib.sha256("\n".join(phrases).encode()).hexdigest()


class Recogniser:
    """Recognises what prompts are about, by an encoder and what it makes of the examples."""

    def __init__(self, encoder: TextEncoder, known: Sequence[Category] | None = None) -> None:
        self._encoder = encoder
        self._known = tuple(known or categories())
        raw = vectors_of(encoder, self._known)
        # All phrases of a language point somewhat the same way; what they have in common tells nothing apart.
        self._common = raw.mean(axis=0)
        rows = iter(self._centred(raw))
        self._examples = [np.stack([next(rows) for _ in category.examples]) for category in self._known]

    def recognise(self, prompt: str) -> Recognition:
        """The category of a prompt: its words as a whole and its subject (what stands before the first comma) count equally."""
        directions = self._directions(prompt)
        closeness = [self._closeness(directions, examples) for examples in self._examples]
        scores = [float(np.sort(near)[-NEAREST:].mean()) for near in closeness]
        best, second = sorted(range(len(scores)), key=lambda i: -scores[i])[:2]
        category = self._known[best]
        return Recognition(
            category=category.name,
            title=category.title,
            sureness=sureness(scores[best] - scores[second]),
            second=self._known[second].title,
            like=category.examples[int(np.argmax(closeness[best]))],
        )

    def _directions(self, prompt: str) -> NDArray[np.float32]:
        """The prompt and its subject, read together: most of what short texts cost is the call."""
        return self._centred(self._encoder.embed(list(dict.fromkeys((prompt, subject_of(prompt))))))

    @staticmethod
    def _closeness(directions: NDArray[np.float32], examples: NDArray[np.float32]) -> NDArray[np.float32]:
        near: NDArray[np.float32] = (examples @ directions.T).mean(axis=1)
        return near

    def _centred(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        moved = rows - self._common
        turned: NDArray[np.float32] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return turned


def subject_of(prompt: str) -> str:
    """What stands before the first comma, or the whole prompt: styles and cameras usually follow the subject."""
    return prompt.split(",", maxsplit=1)[0].strip() or prompt


def sureness(margin: float) -> float:
    """The probability that the nearest category is right, from how much nearer it is than the second (in cosines)."""
    return 1.0 / (1.0 + math.exp(-(INTERCEPT + SLOPE * margin)))
