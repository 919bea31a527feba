"""What a prompt says: its parts, and the words and weights of each part at each step.

The grammar is A1111's: ``(word)`` ``(word:1.2)`` ``[word]`` ``[from:to:when]`` ``[a|b]`` ``AND`` ``BREAK``
``<lora:name:1>`` and ``#`` comments. Whatever does not parse is literal text, so every text is a prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from aldente.recipe.brackets import DECIMAL, Piece, pieces_of

Emphasis = tuple[tuple[str, float], ...]
"""A text in pieces, each with the weight of its words; plain text is one piece of weight 1."""

_COMMENT_LINE = re.compile(r"^#[^\n]*(?:\n|\Z)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_LORA = re.compile(rf"<(?:lora|lyco):([^<>:]+)(?::\s*({DECIMAL})\s*)?(?::\s*({DECIMAL})\s*)?>")
_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(DECIMAL)
_SPECIAL = re.compile(r"[()\[\]\\]")


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A low-rank addition to the model that the prompt asks for, with its strength in the denoiser and in the text encoder."""

    name: str
    weight: float
    text_weight: float


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the prompts that ``AND`` composes, with its weight."""

    weight: float
    pieces: tuple[Piece, ...]

    @property
    def changes(self) -> bool:
        """Whether the words depend on the step."""
        return any(piece.conditions for piece in self.pieces)

    def at(self, step: int, steps: int) -> Emphasis:
        """The words and weights at a step (from 0) of a run; the chunks between ``BREAK`` are joined by a space."""
        joined: list[tuple[str, float]] = []
        for number, chunk in enumerate(self.chunks_at(step, steps)):
            joined += [(" ", 1.0), *chunk] if number else chunk
        return _merged(joined)

    def chunks_at(self, step: int, steps: int) -> tuple[Emphasis, ...]:
        """The words and weights at a step, cut at each ``BREAK``, for models that encode a prompt in chunks."""
        chunks: list[list[tuple[str, float]]] = [[]]
        for piece in self.pieces:
            if not all(condition.holds(step, steps) for condition in piece.conditions):
                continue
            if piece.breaks:
                chunks.append([])
            else:
                chunks[-1].append((piece.text, piece.weight))
        return tuple(_merged(chunk) for chunk in chunks)

    def timeline(self, steps: int) -> tuple[tuple[int, Emphasis], ...]:
        """The words over a run: pairs of the step before which they hold and the words, as few as possible."""
        if not self.changes:
            return ((steps, self.at(0, steps)),)
        spans: list[tuple[int, Emphasis]] = []
        for step in range(steps):
            words = self.at(step, steps)
            if spans and spans[-1][1] == words:
                spans.pop()
            spans.append((step + 1, words))
        return tuple(spans)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a text asks for: one part, or several composed by ``AND``, and the LoRAs that it names."""

    parts: tuple[Part, ...]
    loras: tuple[Lora, ...]


def parse(text: str, *, composes: bool = True) -> Prompt:
    """The prompt that a text is; every text is one, and the time it takes grows as the text does.

    ``AND`` is a word like any other unless the prompt ``composes``: a negative prompt does not.

    A weight after a part (``a cat :1.2 AND a dog``) counts only where ``AND`` stands: '16:9' alone stays words.
    """
    plain = _COMMENT.sub("", _COMMENT_LINE.sub("", text))
    loras = tuple(_lora(found) for found in _LORA.finditer(plain))
    bare = _LORA.sub("", plain)
    texts = _AND.split(bare) if composes else [bare]
    if len(texts) == 1:
        return Prompt(parts=(Part(weight=1.0, pieces=pieces_of(texts[0])),), loras=loras)
    return Prompt(parts=tuple(_part(part.strip()) for part in texts), loras=loras)


def text_of_emphasis(emphasis: Emphasis) -> str:
    """A text that ``parse`` reads as these words and weights, signs of the grammar escaped."""
    pieces = []
    for words, weight in emphasis:
        escaped = _SPECIAL.sub(lambda sign: "\\" + sign[0], words)
        pieces.append(escaped if weight == 1.0 else f"({escaped}:{Decimal(repr(weight)):f})")
    return "".join(pieces)


def _part(text: str) -> Part:
    head, _, tail = text.rpartition(":")
    weight = _PART_WEIGHT.fullmatch(tail.strip())
    if head and weight:
        return Part(weight=float(tail), pieces=pieces_of(head.rstrip()))
    return Part(weight=1.0, pieces=pieces_of(text))


def _lora(found: re.Match[str]) -> Lora:
    text_weight = float(found[2] or 1.0)
    return Lora(name=found[1].strip(), weight=float(found[3] or text_weight), text_weight=text_weight)


def _merged(pieces: list[tuple[str, float]]) -> Emphasis:
    """The pieces with neighbours of one weight joined; nothing at all is one empty piece."""
    merged: list[tuple[list[str], float]] = []
    for text, weight in pieces:
        if merged and merged[-1][1] == weight:
            merged[-1][0].append(text)
        elif text:
            merged.append(([text], weight))
    return tuple(("".join(texts), weight) for texts, weight in merged) or (("", 1.0),)
