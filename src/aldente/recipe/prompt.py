"""What a prompt says: its parts, and the words and weights of each part at each step.

The grammar is A1111's: ``(word)`` ``(word:1.2)`` ``[word]`` ``[from:to:when]`` ``[a|b]`` ``AND`` ``BREAK``
``<lora:name:1>`` and ``#`` comments. Whatever does not parse is literal text, so every text is a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from aldente.recipe.brackets import DECIMAL, Condition, Piece, Turn, Until, pieces_of

Emphasis = tuple[tuple[str, float], ...]
"""A text in pieces, each with the weight of its words; plain text is one piece of weight 1."""

_COMMENT_LINE = re.compile(r"^#[^\n]*(?:\n|\Z)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_LORA = re.compile(rf"<(?:lora|lyco):([^<>:]+)(?::\s*({DECIMAL})\s*)?(?::\s*({DECIMAL})\s*)?>")
_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(DECIMAL)
_SPECIAL = re.compile(r"[()\[\]\\]")
_WORDS = re.compile(r"\b(?:AND|BREAK)\b")
_LORA_LIKE = re.compile(r"<(?=(?:lora|lyco):)")

MOST_DECIMALS = 20
"""Digits after the point that the grammar reads."""


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
        return joined(self.chunks_at(step, steps))

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
        return tuple((until, joined(chunks)) for until, chunks in self.chunk_timeline(steps))

    def chunk_timeline(self, steps: int) -> tuple[tuple[int, tuple[Emphasis, ...]], ...]:
        """The words over a run as ``timeline`` gives them, cut at each ``BREAK``."""
        if not self.changes:
            return ((steps, self.chunks_at(0, steps)),)
        spans: list[tuple[int, tuple[Emphasis, ...]]] = []
        for step in range(steps):
            words = self.chunks_at(step, steps)
            if spans and spans[-1][1] == words:
                spans.pop()
            spans.append((step + 1, words))
        return tuple(spans)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a text asks for: one part, or several composed by ``AND``, and the LoRAs that it names."""

    parts: tuple[Part, ...]
    loras: tuple[Lora, ...]


def joined(chunks: Sequence[Emphasis]) -> Emphasis:
    """The chunks between ``BREAK`` as one text, joined by a space."""
    pieces: list[tuple[str, float]] = []
    for number, chunk in enumerate(chunks):
        pieces += [(" ", 1.0), *chunk] if number else chunk
    return _merged(pieces)


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
    return "".join(_escaped(words) if weight == 1.0 else _weighted(words, weight) for words, weight in emphasis)


def text_of(prompt: Prompt) -> str:
    """A text that ``parse`` reads as this prompt: the same words with the same weights at every step, the same LoRAs."""
    loras = "".join(f"<lora:{one.name}:{_decimal(one.text_weight)}:{_decimal(one.weight)}>" for one in prompt.loras)
    if len(prompt.parts) == 1:
        return _text_of_pieces(prompt.parts[0].pieces) + loras
    texts = [_text_of_pieces(part.pieces) for part in prompt.parts]
    # Where a part ends, spaces are dropped; empty brackets hold them.
    held = [text if text == text.strip() else f"(){text}()" for text in texts]
    weighted = [f"{text} :{_decimal(part.weight)}" for text, part in zip(held, prompt.parts, strict=True)]
    return " AND ".join(weighted) + loras


def _text_of_pieces(pieces: tuple[Piece, ...]) -> str:
    """The pieces as text; each is bracketed by itself, but plain words that no plain words stand before."""
    texts: list[str] = []
    plain = broken = False
    for piece in _joined(pieces):
        # Spaces after a break are dropped, unless brackets hold them.
        plain = plain or (broken and piece.text != piece.text.lstrip())
        broken = piece.breaks
        plain = not (plain or piece.conditions or piece.breaks or piece.weight != 1.0)
        text = " BREAK " if piece.breaks else _escaped(piece.text) if plain else _weighted(piece.text, piece.weight)
        for condition in reversed(piece.conditions):
            text = _conditional(text, condition)
        texts.append(text)
    return "".join(texts) or "()"


def _joined(pieces: tuple[Piece, ...]) -> list[Piece]:
    """The pieces with neighbours that differ in nothing joined, unless a word of the grammar would come of it."""
    made: list[Piece] = []
    for piece in pieces:
        last = made[-1] if made else None
        if last is not None and not (last.breaks or piece.breaks):
            whole = last.text + piece.text
            alike = (last.weight, last.conditions) == (piece.weight, piece.conditions)
            if alike and not _WORDS.search(whole):
                made[-1] = replace(last, text=whole)
                continue
        if piece.breaks or piece.text:
            made.append(piece)
    return made


def _conditional(text: str, condition: Condition) -> str:
    if isinstance(condition, Turn):
        return f"[{'|' * condition.index}{text}{'|' * (condition.count - 1 - condition.index)}]"
    return f"[{text}::{condition.when}]" if isinstance(condition, Until) else f"[{text}:{condition.when}]"


def _weighted(words: str, weight: float) -> str:
    return f"({_escaped(words)}:{_decimal(weight)})"


def _escaped(words: str) -> str:
    """The words with the grammar's signs escaped; what only looks like a LoRA is parted, so that it stays words."""
    return _LORA_LIKE.sub("<()", _SPECIAL.sub(lambda sign: "\\" + sign[0], words))


def _decimal(weight: float) -> str:
    """The weight as the grammar writes numbers: no exponent, and no more digits than it reads."""
    exact = f"{Decimal(repr(weight)):f}"
    return exact if len(exact.partition(".")[2]) <= MOST_DECIMALS else f"{weight:.{MOST_DECIMALS}f}"


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
