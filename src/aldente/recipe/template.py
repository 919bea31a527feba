"""Templates: texts with choices in them. Counted before anything is drawn, and any one of the texts found by its number.

A choice of several takes them in the order in which they are written, so ``{2$$a|b|c}`` is three texts and not six.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Turn = Literal["", "~", "@", "!"]
"""How a choice goes on: as the whole template does, at random (``~``), or one after another (``@``, ``!``)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Text:
    """Words as they stand."""

    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Templates one after the other."""

    parts: tuple[Template, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """From ``low`` to ``high`` different ones of the ``options``, joined; ``weights`` are for drawing at random."""

    options: tuple[Template, ...]
    weights: tuple[float, ...]
    low: int = 1
    high: int = 1
    separator: str = ","
    turn: Turn = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixed:
    """A template whose ``value`` is chosen once for all the places in ``rest`` where its name is said."""

    name: str
    value: Template
    rest: Template


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """The place of a ``value`` that was chosen before."""

    name: str
    value: Template


Template = Text | Row | Choice | Fixed | Said


class Counts:
    """How many texts each part of a template is; parts that occur often are counted once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Template, int]] = {}
        self._ways: dict[int, list[list[int]]] = {}

    def of(self, template: Template) -> int:
        """The number of texts that a template is when all choices are gone through."""
        found = self._known.get(id(template))
        if found is None:
            # The template is kept with its count, so that no other can take its id.
            found = self._known[id(template)] = (template, self._count(template))
        return found[1]

    def _count(self, template: Template) -> int:
        if isinstance(template, Row):
            total = 1
            for part in template.parts:
                total *= self.of(part)
            return total
        if isinstance(template, Fixed):
            return self.of(template.value) * self.of(template.rest)
        if isinstance(template, Choice) and template.turn in ("", "!"):
            ways = self.ways(template)[0]
            return sum(ways[template.low : template.high + 1])
        return 1

    def ways(self, choice: Choice) -> list[list[int]]:
        """In how many ways k of the options from i on can be chosen and filled: ``ways[i][k]``."""
        if id(choice) not in self._ways:
            rows = [[1] + [0] * choice.high]
            for option in reversed(choice.options):
                count, after = self.of(option), rows[-1]
                rows.append([1] + [after[k] + count * after[k - 1] for k in range(1, choice.high + 1)])
            self._ways[id(choice)] = rows[::-1]
        return self._ways[id(choice)]


def count(template: Template) -> int:
    """The number of texts that a template is when all choices are gone through."""
    return Counts().of(template)


def longest(template: Template, known: dict[int, int] | None = None) -> int:
    """An upper bound of the characters of any text of a template."""
    known = {} if known is None else known
    if id(template) not in known:
        known[id(template)] = _longest(template, known)
    return known[id(template)]


def _longest(template: Template, known: dict[int, int]) -> int:
    if isinstance(template, Text):
        return len(template.text)
    if isinstance(template, Row):
        return sum(longest(part, known) for part in template.parts)
    if isinstance(template, Choice):
        each = max((longest(option, known) for option in template.options), default=0)
        return template.high * (each + len(template.separator))
    if isinstance(template, Fixed):
        return longest(template.value, known) + longest(template.rest, known)
    return longest(template.value, known)


def nth(template: Template, number: int, *, seed: int = 0, counts: Counts | None = None) -> str:
    """Text ``number`` (from 0) of the ``count`` that a template is, in the order in which the options are written.

    ``seed`` is for those choices that are to be random all the same.
    """
    reader = _Reader(counts=counts or Counts(), number=number, rng=_rng(seed, number))
    return reader.at(template, number, {})


def drawn(template: Template, number: int, *, seed: int, counts: Counts | None = None) -> str:
    """Draw ``number`` (from 0) of a template at random: the same seed and number are the same text everywhere."""
    reader = _Reader(counts=counts or Counts(), number=number, rng=_rng(seed, number))
    return reader.draw(template, {})


def _rng(seed: int, number: int) -> Random:
    # Seeded by text: numbers that differ little would begin alike.
    return Random(f"aldente prompt {seed} {number}")


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reads one text off a template."""

    counts: Counts
    number: int
    rng: Random

    def at(self, template: Template, index: int, said: Mapping[str, str]) -> str:
        """The text at ``index`` of those that the template is."""
        if isinstance(template, Row):
            texts = []
            for part in reversed(template.parts):
                index, place = divmod(index, self.counts.of(part))
                texts.append(self.at(part, place, said))
            return "".join(reversed(texts))
        if isinstance(template, Fixed):
            first, rest = divmod(index, self.counts.of(template.rest))
            return self.at(template.rest, rest, {**said, template.name: self.at(template.value, first, said)})
        if isinstance(template, Choice):
            return self._draw_choice(template, said) if template.turn in ("~", "@") else self._choice_at(template, index, said)
        return said[template.name] if isinstance(template, Said) else template.text

    def draw(self, template: Template, said: Mapping[str, str]) -> str:
        """A text of the template at random."""
        if isinstance(template, Row):
            return "".join([self.draw(part, said) for part in template.parts])
        if isinstance(template, Fixed):
            return self.draw(template.rest, {**said, template.name: self.draw(template.value, said)})
        if isinstance(template, Choice):
            return self._draw_choice(template, said)
        return said[template.name] if isinstance(template, Said) else template.text

    def _choice_at(self, choice: Choice, index: int, said: Mapping[str, str]) -> str:
        ways = self.counts.ways(choice)
        left = choice.low
        while index >= ways[0][left]:
            index -= ways[0][left]
            left += 1
        texts = []
        for place, option in enumerate(choice.options):
            if not left:
                break
            after = ways[place + 1][left - 1]
            taken = self.counts.of(option) * after
            if index >= taken:
                index -= taken
                continue
            at, index = divmod(index, after)
            texts.append(self.at(option, at, said))
            left -= 1
        return choice.separator.join(texts)

    def _draw_choice(self, choice: Choice, said: Mapping[str, str]) -> str:
        many = choice.low + int(self.rng.random() * (choice.high - choice.low + 1))
        if choice.turn in ("@", "!"):
            size = len(choice.options)
            chosen = sorted({(self.number + offset) % size for offset in range(many)}) if size else []
        else:
            chosen = _sample(choice.weights, many, self.rng)
        return choice.separator.join(self.draw(choice.options[place], said) for place in chosen)


def _sample(weights: Sequence[float], many: int, rng: Random) -> list[int]:
    """``many`` different places, heavier ones likelier, in order."""
    left = dict(enumerate(weights))
    chosen: list[int] = []
    while left and len(chosen) < many:
        place = _point(left, rng.random())
        chosen.append(place)
        del left[place]
    return sorted(chosen)


def _point(weights: Mapping[int, float], share: float) -> int:
    """The place where a share of the whole weight is reached; where nothing weighs anything, all weigh the same."""
    even = not any(weights.values())
    point = share * (len(weights) if even else sum(weights.values()))
    reached = 0.0
    places = []
    for place, weight in weights.items():
        reached += 1.0 if even else weight
        places.append((reached, place))
    return next((place for reached, place in places if reached > point), max(weights))
