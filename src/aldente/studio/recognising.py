"""What pictures are of, from their prompts: each prompt is read once, by the model's own reader of sentences if it has one."""

from __future__ import annotations

from functools import cached_property

from aldente.models.pastina.sentences import MiniLM
from aldente.models.text_encoder import TextEncoder
from aldente.recipe.recipe import Recipe
from aldente.tuning.categories import Recogniser

MOST_KEPT = 10_000
"""So many prompts' categories stay in memory."""


class Categories:
    """The categories of prompts, each recognised once."""

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self._encoder = encoder
        self._known: dict[str, str | None] = {}

    @cached_property
    def recogniser(self) -> Recogniser:
        """The recogniser, loaded when it is first asked."""
        return Recogniser(self._encoder or MiniLM())

    def of(self, recipe: Recipe) -> str | None:
        """What the picture of a recipe is of; None where its prompt says nothing."""
        prompt = recipe.prompt.strip()
        if prompt not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[prompt] = self.recogniser.recognise(prompt).category if prompt else None
        return self._known[prompt]


def reader_of(model: object) -> TextEncoder | None:
    """A model's own reader of sentences, if it has one: no second copy of it is loaded then."""
    reader: TextEncoder | None = getattr(model, "sentences", None)
    return reader
