"""Dynamic prompts: ``{a|b}``, ``{2$$a|b|c}``, ``__wildcard__``, ``${name=...}`` and ranges of numbers, read into templates.

The grammar is that of the library dynamicprompts, which parses; what is drawn, counted and looked up is ours, because the
library goes through orders where it should go through choices, and never ends where a wildcard is missing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from aldente.engine.errors import UserError
from aldente.recipe.parameters import text_of
from aldente.recipe.ranges import LONGEST_RANGE, expand_numbers, split_values
from aldente.recipe.template import Choice, Fixed, Row, Said, Template, Text, Turn, longest

Wildcards = Callable[[str], Sequence[tuple[str, float]]]
"""The texts that a wildcard stands for, each with its weight. Raises UserError for an unknown one."""

DEEPEST = 16
"""Braces, and wildcards, inside each other, at most."""

LONGEST = 20_000
"""Characters of a template, and of any text that it can become, at most."""

WIDEST = 1_000_000
"""Options times how many of them are chosen, at most."""

_PRIVATE = {sign: chr(0xF700 + place) for place, sign in enumerate("{}$%#_|/\\")}
"""What stands for a sign while the library reads: private characters that no prompt has."""

_LITERAL = str.maketrans({mark: sign for sign, mark in _PRIVATE.items()})
_ESCAPED = re.compile(r"\\([{}$%_|])")
_HARMLESS = re.compile(r"\$(?![{$])(?<!\$\$)|%(?!\{)|#|/(?=[/*])")
_MARKS = ("{", "__", "${", "%{")
_TURNS: dict[str, Turn] = {"random": "~", "cycle": "@", "combinatorial": "!"}


def no_wildcards(name: str) -> Sequence[tuple[str, float]]:
    """The wildcards of someone who has none. Raises UserError."""
    raise UserError(
        f"wildcard '__{name}__' is not known: no folder of wildcards is given; write \\_\\_ for the signs themselves."
    )


def template_of(text: str, wildcards: Wildcards = no_wildcards, variables: Mapping[str, str] | None = None) -> Template:
    r"""The template that a text is; ``variables`` are what ``${name}`` stands for, word by word.

    ``\{`` ``\}`` ``\|`` ``\_`` ``\$`` and ``\%`` are the signs themselves.

    A lone range in braces, ``{0.8-1.4 (+0.2)}``, is its numbers.
    Raises UserError for what does not parse, an unknown wildcard or variable, and wildcards that lead back to themselves.
    """
    if len(text) > LONGEST:
        raise UserError(f"the template has {len(text)} characters; it may have {LONGEST}. Put long lists into wildcard files.")
    known = {name: Text(text=value) for name, value in (variables or {}).items()}
    try:
        made = _Translation(wildcards=wildcards).template(text, known, ())
        if longest(made) > LONGEST:
            raise UserError(f"the template {_shown(text)} can become more than {LONGEST} characters; make it shorter.")
    except RecursionError:
        raise UserError(f"the template {_shown(text)} has too much inside each other; write it flatter.") from None
    return made


def groups_of(text: str) -> tuple[str, ...]:
    """The outermost braces of a template as they are written, each once, variables left out."""
    found, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == "{":
            depth += 1
            start = at if depth == 1 else start
        elif text[at] == "}" and depth:
            depth -= 1
            if not depth and text[max(0, start - 1) : start] not in ("$", "%"):
                found.append(text[start : at + 1])
        at += 1
    return tuple(dict.fromkeys(found))


def _hidden(text: str) -> str:
    """The text with escaped signs, and those that would trouble the library, as private characters."""
    escaped = _ESCAPED.sub(lambda found: _PRIVATE[found[1]], text)
    return _HARMLESS.sub(lambda found: _PRIVATE[found[0]], escaped)


def _parsed(text: str) -> Any:
    depth = most = 0
    for sign in text:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        most = max(most, depth)
    if most > DEEPEST:
        raise UserError(f"{_shown(text)} has braces {most} deep; {DEEPEST} are allowed.")
    try:
        return _library(text)
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        where = getattr(error, "loc", 0)
        raise UserError(
            f"the template {_shown(text)} does not parse from {_shown(text[where:])} on: braces come in pairs {{a|b}},"
            " wildcards as __name__, variables as ${name}; write \\{ \\} \\_ \\$ for the signs themselves."
        ) from None


def _library(text: str) -> Any:
    """What the library reads. Raises ValueError where it does not parse, and what else comes to its mind on odd texts."""
    with warnings.catch_warnings():
        # The library still calls pyparsing by names that pyparsing no longer likes.
        warnings.simplefilter("ignore")
        # pyparsing takes a twentieth of a second to import; who writes no braces must not wait for it.
        from dynamicprompts.parser.parse import parse  # noqa: PLC0415
        from pyparsing import ParseBaseException  # noqa: PLC0415

        try:
            return parse(text)
        except ParseBaseException as error:
            raise NotParsedError(error.loc) from error


class NotParsedError(ValueError):
    """A text that does not parse from a place on."""

    def __init__(self, loc: int) -> None:
        super().__init__(loc)
        self.loc = loc


def _shown(text: str) -> str:
    plain = text.translate(_LITERAL)
    return repr(plain if len(plain) <= 60 else f"{plain[:57]}...")


@dataclass(frozen=True, kw_only=True)
class _Translation:
    """From the library's commands to a template; a wildcard that is named often is read once."""

    wildcards: Wildcards
    read: dict[object, tuple[Choice, Mapping[str, Template]]] = field(default_factory=dict)

    def template(self, text: str, known: Mapping[str, Template], inside: tuple[str, ...]) -> Template:
        if not any(mark in text for mark in _MARKS) and "\\" not in text:
            return Text(text=text)
        hidden = _hidden(text)
        return self._of(_parsed(hidden), known, inside)

    def _of(self, command: Any, known: Mapping[str, Template], inside: tuple[str, ...]) -> Template:
        kind = type(command).__name__
        if kind == "LiteralCommand":
            return Text(text=command.literal.translate(_LITERAL))
        if kind == "SequenceCommand":
            return self._row(list(command.tokens), known, inside)
        if kind == "VariantCommand":
            return self._choice(command, known, inside)
        if kind == "WildcardCommand":
            return self._wildcard(command, known, inside)
        if kind == "VariableAccessCommand":
            return self._variable(command, known, inside)
        if kind == "VariableAssignmentCommand":
            return Text(text="")
        raise UserError("wrapping with %{...$$...} is not supported; write what stands around it.")

    def _row(self, tokens: Sequence[Any], known: Mapping[str, Template], inside: tuple[str, ...]) -> Template:
        parts: list[Template] = []
        for place, token in enumerate(tokens):
            if type(token).__name__ != "VariableAssignmentCommand":
                parts.append(self._of(token, known, inside))
            elif token.overwrite or token.name not in known:
                value = self._of(token.value, known, inside)
                if token.immediate:
                    rest = self._row(tokens[place + 1 :], {**known, token.name: Said(name=token.name, value=value)}, inside)
                    return Row(parts=(*parts, Fixed(name=token.name, value=value, rest=rest)))
                known = {**known, token.name: value}
        return parts[0] if len(parts) == 1 else Row(parts=tuple(parts))

    def _choice(self, command: Any, known: Mapping[str, Template], inside: tuple[str, ...]) -> Template:
        turn = _TURNS[command.sampling_method.value] if command.sampling_method else ""
        options: Sequence[Template] = [self._of(one.value, known, inside) for one in command.variants]
        weights = [one.weight for one in command.variants]
        lone = options[0] if len(options) == 1 else None
        if isinstance(lone, Text) and (numbers := _numbers(lone.text)):
            options, weights = numbers, [1.0] * len(numbers)
        elif isinstance(lone, Choice) and type(command.variants[0].value).__name__ == "WildcardCommand":
            options, weights, turn = lone.options, list(lone.weights), turn or lone.turn
        low, high = (min(bound, len(options)) for bound in (command.min_bound, command.max_bound))
        if len(options) * high > WIDEST:
            raise UserError(f"{high} of {len(options)} options are too many to choose; take fewer, or shorter wildcards.")
        separator = str(command.separator).translate(_LITERAL)
        return Choice(options=tuple(options), weights=tuple(weights), low=low, high=high, separator=separator, turn=turn)

    def _wildcard(self, command: Any, known: Mapping[str, Template], inside: tuple[str, ...]) -> Choice:
        if not isinstance(command.wildcard, str):
            raise UserError("a wildcard is named by plain words: __colours__; its name may hold no braces or variables.")
        name = command.wildcard.strip().translate(_LITERAL)
        around = {**known, **{key: self._of(value, known, inside) for key, value in command.variables.items()}}
        turn = _TURNS[command.sampling_method.value] if command.sampling_method else ""
        if name in inside or len(inside) >= DEEPEST:
            raise UserError(f"wildcard '__{name}__' leads back to itself: {' -> '.join([*inside, name])}.")
        key = (name, turn, tuple(sorted((said, id(value)) for said, value in around.items())))
        if key not in self.read:
            values = self.wildcards(name)
            options = tuple(self.template(text, around, (*inside, name)) for text, _ in values)
            # What stands around is kept as well, so that no other template can take its id.
            self.read[key] = (Choice(options=options, weights=tuple(weight for _, weight in values), turn=turn), around)
        return self.read[key][0]

    def _variable(self, command: Any, known: Mapping[str, Template], inside: tuple[str, ...]) -> Template:
        if command.name in known:
            return known[command.name]
        if command.default is not None:
            return self._of(command.default, known, inside)
        raise unknown_variable(command.name, known)


def unknown_variable(name: str, known: Mapping[str, object]) -> UserError:
    """The error for a ``${name}`` that nothing stands for, with the nearest that something does."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f" did you mean '${{{near[0]}}}'?" if near else ""
    there = ", ".join(sorted(known)) or "none"
    return UserError(f"variable '${{{name}}}' is not known;{hint} Known: {there}.")


def _numbers(text: str) -> list[Template]:
    """The numbers of a lone range, or nothing where it is none."""
    try:
        numbers = list(expand_numbers([item for item in split_values(text) if item], whole=False))
    except UserError:
        return []
    if len(numbers) < 2 or len(numbers) > LONGEST_RANGE or any(isinstance(number, str) for number in numbers):
        return []
    return [Text(text=text_of(float(number))) for number in numbers if isinstance(number, Fraction)]
