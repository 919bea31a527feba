"""A prompt as CLIP reads it: cut into chunks of 75 tokens, each token with the weight of its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from aldente.recipe.prompt import Emphasis

CHUNK = 75
"""Tokens of a chunk, beside its two marks."""

BACKTRACK = 20
"""How many tokens after the last comma A1111 moves to the next chunk, so that what belongs together is not torn."""


class Chunk(NamedTuple):
    """At most 75 tokens and the weight of each, without marks."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


class Spelling:
    """Text to units of tokens: the tokenizer's one by one, and those of a textual inversion, which stay together.

    ``inversions`` are the tokens of each inversion by its name, which is found in the text whatever its capitals.
    """

    def __init__(self, ids: Callable[[str], Sequence[int]], inversions: Mapping[str, Sequence[int]]) -> None:
        self._ids = ids
        self._inversions = {name.lower(): tuple(tokens) for name, tokens in inversions.items()}
        names = "|".join(re.escape(name) for name in sorted(self._inversions, key=len, reverse=True))
        self._name = re.compile(rf"(?<![\w-])({names})(?![\w-])", re.IGNORECASE) if names else None

    def units(self, text: str) -> list[tuple[int, ...]]:
        """The tokens of a text."""
        if self._name is None:
            return [(number,) for number in self._ids(text)]
        found: list[tuple[int, ...]] = []
        for index, part in enumerate(self._name.split(text)):
            if index % 2:
                found.append(self._inversions[part.lower()])
            elif part.strip():
                found += [(number,) for number in self._ids(part)]
        return found

    def comma(self) -> int | None:
        """The token of a comma."""
        ids = self._ids(",")
        return ids[0] if len(ids) == 1 else None


def chunked(texts: Sequence[Emphasis], spelling: Spelling) -> tuple[Chunk, ...]:
    """The chunks of a prompt whose texts stand between ``BREAK``: each begins a new one, and each is at least one.

    A last text without words adds none.
    """
    comma = spelling.comma()
    chunks: list[Chunk] = []
    for number, text in enumerate(texts):
        made = _chunks(((unit, weight) for words, weight in text for unit in spelling.units(words)), comma)
        last = number == len(texts) - 1
        if made or not last:
            chunks += made or [Chunk((), ())]
    return tuple(chunks) or (Chunk((), ()),)


def _chunks(units: Iterable[tuple[tuple[int, ...], float]], comma: int | None) -> list[Chunk]:
    """One text's chunks; a full one ends after its last comma if that is near enough."""
    chunks: list[Chunk] = []
    ids: list[int] = []
    weights: list[float] = []
    after_comma = -1

    def close(count: int) -> None:
        chunks.append(Chunk(tuple(ids[:count]), tuple(weights[:count])))
        del ids[:count], weights[:count]

    for unit, weight in units:
        full = len(ids) + len(unit) > CHUNK
        if full and unit != (comma,) and after_comma > 0 and len(ids) - after_comma < BACKTRACK and len(unit) == 1:
            close(after_comma)
        elif full:
            close(len(ids))
        if full:
            after_comma = -1
        ids += unit[:CHUNK]
        weights += [weight] * len(unit[:CHUNK])
        if unit == (comma,):
            after_comma = len(ids)
    if ids:
        close(len(ids))
    return chunks
