"""Questions to the store as users type them: ``steps>=20 and sampler~"2M" and not tag:draft since 7d``, read into a tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aldente.engine.errors import UserError

LONGEST = 10_000
DEEPEST = 50
MOST_PARTS = 200
OPERATORS = ("!=", "!~", "<=", ">=", "=", "<", ">", "~", ":")

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:\\.|[^"\\])*")|(?P<sign>!=|!~|<=|>=|==|[=<>~:()])|(?P<word>[^\s"=<>~!:()]+)|(?P<rest>.))', re.S
)
_WORD_AFTER = re.compile(r"[^\s\"()]+")
_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(m|h|d|w|y)", re.I)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_UNITS["y"] = timedelta(days=365)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Token(NamedTuple):
    """A piece of a query: its kind (``text``, ``sign``, ``word``, ``end``), what it says and where it stands."""

    kind: str
    said: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Compare:
    """One thing compared with a value; ``start`` and ``end`` say where the name stands, the others where the value does."""

    name: str
    operator: str
    value: str
    start: int
    end: int
    value_start: int
    value_end: int


@dataclass(frozen=True, kw_only=True)
class Every:
    """What all of its parts ask for."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Either:
    """What any of its parts asks for."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Except:
    """What its part does not ask for."""

    part: Part


Part = Compare | Every | Either | Except


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question as it was typed and as it was read."""

    text: str
    part: Part


def parse_query(text: str) -> Query:
    """The question in ``text``; an empty text asks for everything.

    Raises UserError that points at the place and says what was expected there.
    """
    if len(text) > LONGEST:
        raise UserError(f"query: {len(text)} signs are too long; at most {LONGEST} can be read.")
    return _Reader(text).query()


def fault(text: str, start: int, end: int, why: str) -> UserError:
    """The error for a place in a query, with the line and a mark under the place."""
    line_start = text.rfind("\n", 0, start) + 1
    line = text[line_start:].split("\n", 1)[0]
    column = start - line_start
    cut = max(0, column - 60)
    shown = line[cut : cut + 120]
    width = max(1, min(end - start, len(shown) - (column - cut)))
    return UserError(f"query: {why}\n  {shown}\n  {' ' * (column - cut)}{'^' * width}")


class _Reader:
    """Reads a query from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0
        self.parts = 0
        self.token = self._scan()

    def query(self) -> Query:
        parts = self._either() if self.token.kind != "end" else Every(parts=())
        if self.token.kind != "end":
            raise self._unexpected("'and', 'or' or the end")
        return Query(text=self.text, part=parts)

    def _scan(self) -> Token:
        found = _TOKEN.match(self.text, self.place)
        if found is None:
            return Token("end", "", len(self.text), len(self.text))
        kind = str(found.lastgroup)
        self.place = found.end()
        token = Token(kind, found[kind], found.start(kind), found.end())
        if kind == "rest":
            why = (
                "a quotation mark is never closed"
                if token.said == '"'
                else f"'{token.said}' stands alone; compare with != or !~"
            )
            raise fault(self.text, token.start, token.end, f"{why}.")
        return token

    def _next(self) -> Token:
        token, self.token = self.token, self._scan()
        return token

    def _says(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.said.lower() in words

    def _either(self) -> Part:
        return self._chain(self._every, lambda: self._says("or"), lambda parts: Either(parts=parts))

    def _every(self) -> Part:
        return self._chain(self._single, self._goes_on, lambda parts: Every(parts=parts))

    def _goes_on(self) -> bool:
        """Whether another part follows; 'and' may be left out."""
        return self._says("and") or not (self.token.kind == "end" or self.token.said == ")" or self._says("or"))

    def _chain(self, single: Callable[[], Part], more: Callable[[], bool], joined: Callable[[tuple[Part, ...]], Part]) -> Part:
        parts = [single()]
        while more():
            if self._says("and", "or"):
                self._next()
            parts.append(single())
        return parts[0] if len(parts) == 1 else joined(tuple(parts))

    def _single(self) -> Part:
        self.depth += 1
        if self.depth > DEEPEST:
            raise fault(self.text, self.token.start, self.token.end, f"this is nested more than {DEEPEST} deep.")
        part = self._plain()
        self.depth -= 1
        return part

    def _plain(self) -> Part:
        if self._says("not"):
            self._next()
            return Except(part=self._single())
        if self.token.said == "(" and self.token.kind == "sign":
            opened = self._next()
            part = self._either()
            if self.token.said != ")" or self.token.kind != "sign":
                raise fault(self.text, opened.start, opened.end, "this bracket is never closed.")
            self._next()
            return part
        if self.token.kind not in ("word", "text") or self._says("and", "or"):
            raise self._unexpected("something like steps>=20")
        return self._compare()

    def _compare(self) -> Part:
        name = self._next()
        if name.kind == "word" and name.said.lower() in ("since", "until") and self.token.said not in OPERATORS:
            operator = ">=" if name.said.lower() == "since" else "<"
            return self._valued(name._replace(said="created"), operator, after=name.end)
        if self.token.kind == "sign" and self.token.said.replace("==", "=") in OPERATORS:
            sign = self.token
            return self._valued(name, sign.said.replace("==", "="), after=sign.end)
        if name.kind == "text":  # A text alone is looked for in the prompt.
            place = {"start": name.start, "end": name.end, "value_start": name.start, "value_end": name.end}
            return Compare(name="prompt", operator="~", value=_unquoted(name.said), **place)
        hint = f'write {name.said}=..., or "{name.said}" in quotation marks to look for it in the prompt'
        raise fault(self.text, name.start, name.end, f"'{name.said}' is compared with nothing; {hint}.")

    def _valued(self, name: Token, operator: str, *, after: int) -> Compare:
        """The comparison whose value begins at ``after``: a quoted text, or everything up to the next space or bracket."""
        start = after + len(self.text[after:]) - len(self.text[after:].lstrip())
        if self.text.startswith('"', start):
            self.place = start
            value = self._scan()
            said = _unquoted(value.said)
        else:
            found = _WORD_AFTER.match(self.text, start)
            if found is None:
                raise fault(self.text, min(start, len(self.text)), start + 1, "a value is missing here.")
            value, said = Token("word", found[0], start, found.end()), found[0]
        self.place = value.end
        self.token = self._scan()
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise fault(self.text, name.start, value.end, f"more than {MOST_PARTS} things are compared; ask for less at once.")
        known = _unquoted(name.said) if name.kind == "text" else name.said
        place = {"start": name.start, "end": name.end, "value_start": value.start, "value_end": value.end}
        return Compare(name=known, operator=operator, value=said, **place)

    def _unexpected(self, expected: str) -> UserError:
        token = self.token
        found = "the query ends" if token.kind == "end" else f"'{token.said}' stands"
        return fault(self.text, token.start, token.end, f"{found} where {expected} was expected.")


def _unquoted(said: str) -> str:
    return re.sub(r"\\(.)", r"\1", said[1:-1], flags=re.S)


def moments(said: str, now: datetime) -> tuple[datetime, datetime] | None:
    """The first moment that a text may mean and the moment after the last: a day is 24 hours, '7d' one moment. In UTC.

    None where the text is no time: '7d', '2h', '30m', '2026-11-01', '2026-11-01T12:30', 'today', 'yesterday'.
    """
    plain = said.strip().lower()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": midnight, "yesterday": midnight - timedelta(days=1)}
    if plain in days:
        return days[plain], days[plain] + timedelta(days=1)
    try:
        if ago := _AGO.fullmatch(plain):
            moment = now - float(ago[1]) * _UNITS[ago[2].lower()]
            return moment, moment
        moment = datetime.fromisoformat(said.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment, moment + (timedelta(days=1) if _DATE.fullmatch(plain) else timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return None
