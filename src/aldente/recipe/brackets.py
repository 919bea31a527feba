"""The brackets of a prompt: emphasis, schedules and alternation, flattened into pieces of text that hold on conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

DECIMAL = r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})"

EMPHASIS = 1.1
WEIGHT_LIMIT = 1000.0
"""Weights are held within plus and minus this, so that a thousand brackets stay finite."""

DEEPEST = 64
"""Square brackets nested deeper than this only take emphasis away."""

_TOKEN = re.compile(rf":\s*+({DECIMAL})\s*+(?=[)\]])|\\.|[()\[\]:|\\]|[^()\[\]:|\\]+", re.DOTALL)
_BREAK = re.compile(r"\bBREAK\b")
_ESCAPABLE = frozenset("()[]\\")


@dataclass(frozen=True, kw_only=True)
class Until:
    """Holds before a moment: a fraction of the steps where ``when`` has a decimal point, else a number of steps."""

    when: str

    def holds(self, step: int, steps: int) -> bool:
        """Whether a step (from 0) is before the moment."""
        return step < _moment(self.when, steps)


@dataclass(frozen=True, kw_only=True)
class From:
    """Holds from a moment on."""

    when: str

    def holds(self, step: int, steps: int) -> bool:
        """Whether a step (from 0) is at or after the moment."""
        return step >= _moment(self.when, steps)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Holds each ``count``-th step, beginning with step ``index``."""

    index: int
    count: int

    def holds(self, step: int, steps: int) -> bool:  # noqa: ARG002 - one signature for all conditions
        """Whether it is this one's turn at a step (from 0)."""
        return step % self.count == self.index


Condition = Until | From | Turn


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Words of one weight that hold when all conditions do; one that ``breaks`` has no words and ends a chunk."""

    text: str
    weight: float
    conditions: tuple[Condition, ...]
    breaks: bool = False


@dataclass
class _Square:
    """An open square bracket: where it stands, how many round ones were open, and the signs directly inside it."""

    start: int
    rounds: int
    signs: list[int] = field(default_factory=list)


@dataclass
class _Structure:
    """What each bracket and sign of a prompt turned out to be, by the number of its token."""

    weight: dict[int, float] = field(default_factory=dict)
    closing: set[int] = field(default_factory=set)
    entered: dict[int, Condition] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)


def pieces_of(text: str) -> tuple[Piece, ...]:
    """The pieces of a text without ``AND``; brackets that are never closed run to the end, other misfits are literal."""
    tokens = list(_TOKEN.finditer(text))
    structure = _structure(tokens)
    pieces: list[Piece] = []
    weights: dict[str, list[float]] = {"(": [1.0], "[": [1.0]}
    conditions: list[tuple[Condition, ...]] = [()]
    for number, token in enumerate(tokens):
        sign = token[0]
        if number in structure.left:
            conditions.pop()
        if number in structure.entered:
            conditions.append((*conditions[-1], structure.entered[number]))
        if number in structure.weight:
            weights[sign].append(_held(weights[sign][-1] * structure.weight[number]))
        elif number in structure.closing:
            weights["(" if sign == ")" else "["].pop()
        elif number not in structure.silent:
            _add(pieces, sign, _held(weights["("][-1] * weights["["][-1]), conditions[-1])
    return tuple(pieces)


def _structure(tokens: list[re.Match[str]]) -> _Structure:
    """Pair the brackets, round and square apart, and read what each pair of square ones is."""
    made = _Structure()
    rounds: list[int] = []
    squares: list[_Square] = []
    for number, token in enumerate(tokens):
        sign = token[0]
        if sign == "(":
            rounds.append(number)
            made.weight[number] = EMPHASIS
        elif sign == "[":
            squares.append(_Square(start=number, rounds=len(rounds)))
            made.weight[number] = 1 / EMPHASIS
        elif sign == ")" and rounds:
            _close_round(made, rounds.pop(), number, tokens)
        elif sign == "]" and squares:
            _close_square(made, squares.pop(), number, tokens, deep=len(squares) >= DEEPEST)
        elif sign[0] in ":|" and squares and squares[-1].rounds == len(rounds):
            squares[-1].signs.append(number)
    return made


def _close_round(made: _Structure, start: int, end: int, tokens: list[re.Match[str]]) -> None:
    made.closing.add(end)
    if tokens[end - 1][1] is not None:
        made.weight[start] = float(tokens[end - 1][1])
        made.silent.add(end - 1)


def _close_square(made: _Structure, square: _Square, end: int, tokens: list[re.Match[str]], *, deep: bool) -> None:
    """Decide what a pair of square brackets is: a schedule, an alternation, or less emphasis."""
    signs = square.signs
    bars = [number for number in signs if tokens[number][0] == "|"]
    scheduled = not bars and len(signs) in (1, 2) and signs[-1] == end - 1 and tokens[end - 1][1] is not None
    if deep or not (bars or scheduled):
        made.closing.add(end)
        return
    del made.weight[square.start]
    if scheduled:
        when = tokens[end - 1][1]
        made.silent |= {square.start, end, *signs}
        if len(signs) == 2:
            made.entered |= {square.start: Until(when=when), signs[0]: From(when=when)}
            made.left |= {signs[0], end}
        else:
            made.entered[square.start] = From(when=when)
            made.left.add(end)
        return
    made.silent |= {square.start, end, *bars}
    made.entered |= {start: Turn(index=i, count=len(bars) + 1) for i, start in enumerate([square.start, *bars])}
    made.left |= {*bars, end}


def _add(pieces: list[Piece], sign: str, weight: float, conditions: tuple[Condition, ...]) -> None:
    """Add the words of a token to the pieces, cut where they say BREAK."""
    if sign[0] == "\\" and sign[1:] in _ESCAPABLE:
        sign = sign[1:]
    for number, words in enumerate(_BREAK.split(sign)):
        if number:
            if pieces and not pieces[-1].breaks:
                pieces[-1] = replace(pieces[-1], text=pieces[-1].text.rstrip())
            pieces.append(Piece(text="", weight=1.0, conditions=conditions, breaks=True))
        kept = words.lstrip() if number else words
        if kept:
            pieces.append(Piece(text=kept, weight=weight, conditions=conditions))


def _held(weight: float) -> float:
    return max(-WEIGHT_LIMIT, min(WEIGHT_LIMIT, weight))


def _moment(when: str, steps: int) -> int:
    """The number of steps before a moment: '0.5' is half of the steps, '5' is five."""
    exact = Fraction(when)
    return int(exact * steps) if "." in when else int(exact)
