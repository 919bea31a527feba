"""What a picture can be asked about, by every name, and the condition that each comparison means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache, cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, Double, text

from aldente.engine.errors import UserError
from aldente.recipe.names import canonical_name, split_sampler, title_of
from aldente.recipe.parameters import UNSET, Parameter, names_of, parameters, parse_value, spelling_of
from aldente.store.catalogue import COMMON, FACT, METRIC, SEED_MIDDLE, folded, key_of, place
from aldente.store.query import Compare, fault, moments
from aldente.store.tables import CATALOGUED

MANY_WORDS = 2000
"""Up to here the words that contain a text are listed; beyond, the word of each picture is looked at instead."""

_NUMBERS = {"calls": "calls", "seconds": "seconds", "peak": "peak", "rating": "rating"}
_TEXTS = ("program", "category", "preset")
_TRAITS = ("note", "error", "study")
_OTHERS = ("created", "tag", "has", "id", "file", "plan", "parent")
FACTS = (*_NUMBERS, *_TEXTS, *_TRAITS, *_OTHERS)
"""What can be asked about beside parameters and metrics."""

_ALIASES = {
    "modelcalls": "calls",
    "nfe": "calls",
    "time": "seconds",
    "duration": "seconds",
    "peakbytes": "peak",
    "memory": "peak",
    "stars": "rating",
    "date": "created",
    "when": "created",
    "tags": "tag",
    "notes": "note",
    "failed": "error",
    "errors": "error",
    "parents": "parent",
    "source": "parent",
    "madeby": "program",
}
_SIZE = re.compile(r"(\d{1,6})[xX×*](\d{1,6})")
_TESTS = {"=": "=", ":": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class Condition(NamedTuple):
    """A condition on a row ``c`` of the catalogue, and the statement that gathers the places where it holds, if an index can.

    Conditions of the same ``column`` can be gathered together.
    """

    where: str
    gathers: str | None = None
    column: str | None = None


NEVER = Condition("1 = 0", "SELECT at FROM catalogue WHERE 1 = 0")


@dataclass
class Asked:
    """One query being asked: the connection, its text for errors, the present moment, and the values bound so far."""

    connection: Connection
    said: str
    moment: datetime
    bounds: dict[str, Any] = field(default_factory=dict)
    errors: bool = False
    _conditions: dict[int, list[Condition]] = field(default_factory=dict)

    def bound(self, value: Any) -> str:
        """The name under which a value is bound."""
        name = f"v{len(self.bounds)}"
        self.bounds[name] = value
        return f":{name}"

    def bounds_in(self, statement: str) -> dict[str, Any]:
        """The values that a part of the statement needs."""
        names = re.findall(r":(v\d+)\b", statement)
        return {name: self.bounds[name] for name in names}

    def once(self, compare: Compare, make: Callable[[], list[Condition]]) -> list[Condition]:
        """The conditions of a comparison, made once."""
        if id(compare) not in self._conditions:
            self._conditions[id(compare)] = make()
        return self._conditions[id(compare)]

    @cached_property
    def metrics(self) -> dict[str, str]:
        """The metrics that this store has values of, by spelling."""
        query = text("SELECT folded FROM words WHERE kind = 'name' AND folded LIKE :begins")
        names = self.connection.execute(query, {"begins": METRIC + "%"}).scalars()
        return {spelling_of(name.removeprefix(METRIC)): name.removeprefix(METRIC) for name in names}

    def word(self, kind: str, word: str) -> int | None:
        """The number of a word, if the store knows it."""
        query = text("SELECT id FROM words WHERE key = :key")
        return self.connection.execute(query, {"key": key_of(kind, word)}).scalar()

    @property
    def finds(self) -> str:
        """What tells where a text begins in another: 0 for nowhere."""
        return "instr" if self.connection.dialect.name == "sqlite" else "strpos"

    def containing(self, kind: str, part: str) -> list[int] | None:
        """The numbers of the words of a kind that contain a text; None where they are too many to list."""
        sought, sqlite = folded(part), self.connection.dialect.name == "sqlite"
        bounds = {"kind": kind, "part": sought, "many": MANY_WORDS + 1}
        where = f"w.kind = :kind AND {self.finds}(w.folded, :part) > 0"
        source = "words w"
        if sqlite and len(sought) >= 3:
            source = "words_parts p CROSS JOIN words w ON w.id = p.rowid"
            where = f"p.folded MATCH :phrase AND {where}"
            bounds["phrase"] = '"' + sought.replace('"', '""') + '"'
        elif not sqlite:
            where += " AND w.folded LIKE :pattern"
            bounds["pattern"] = "%" + re.sub(r"([%_\\])", r"\\\1", sought) + "%"
        found = self.connection.execute(text(f"SELECT w.id FROM {source} WHERE {where} LIMIT :many"), bounds)
        ids = list(found.scalars())
        return None if len(ids) > MANY_WORDS else ids

    def listed(self, numbers: Sequence[int]) -> str:
        """A list of whole numbers, for IN."""
        return "(" + ", ".join(str(int(number)) for number in numbers) + ")"


def ask(compare: Compare, asked: Asked) -> list[Condition]:
    """The conditions, all of which must hold, that a comparison means.

    Raises UserError, pointing at the place, for names and values that there are not.
    """
    return asked.once(compare, lambda: _ask(compare, asked))


def _ask(compare: Compare, asked: Asked) -> list[Condition]:
    if compare.operator in ("!=", "!~"):
        same = _ask(_with(compare, operator=compare.operator[1]), asked)
        return [Condition("NOT (" + " AND ".join(f"({one.where})" for one in same) + ")")]
    spelling = spelling_of(compare.name)
    fact = _ALIASES.get(spelling, spelling)
    if fact in FACTS:
        return [_fact(fact, compare, asked)]
    known = _parameter(compare.name)
    if known is not None:
        return _of_parameter(known, compare, asked)
    metric = _metric(spelling, asked)
    if metric is None:
        raise _unknown(compare, asked)
    return [_trait(METRIC + metric, "number", compare, asked)]


def _parameter(name: str) -> Parameter | None:
    return _parameters().get(spelling_of(name))


@cache
def _parameters() -> dict[str, Parameter]:
    return names_of(parameters())


def _metric(spelling: str, asked: Asked) -> str | None:
    """The metric of this name, or the only one whose name begins so."""
    if spelling in asked.metrics:
        return asked.metrics[spelling]
    begins = [name for known, name in asked.metrics.items() if spelling and known.startswith(spelling)]
    return begins[0] if len(begins) == 1 else None


def _unknown(compare: Compare, asked: Asked) -> UserError:
    names = {spelling_of(name): name for p in parameters() for name in (p.name, *p.aliases)}
    names |= {spelling_of(name): name for name in (*FACTS, *asked.metrics.values())}
    near = get_close_matches(spelling_of(compare.name), names, n=1, cutoff=0.6)
    hint = f"; did you mean '{names[near[0]]}'?" if near else "."
    metrics = ", ".join(sorted(asked.metrics.values())) or "none yet"
    why = (
        f"'{compare.name}' is neither a parameter, nor a metric that this store has values of ({metrics}), "
        f"nor one of {', '.join(sorted(FACTS))}{hint}"
    )
    return fault(asked.said, compare.start, compare.end, why)


def _fact(fact: str, compare: Compare, asked: Asked) -> Condition:
    """The condition on what is known of a picture beside its recipe."""
    if fact == "error":
        asked.errors = True
    if fact in _NUMBERS:
        return _number(_NUMBERS[fact], compare, asked)
    if fact in _TEXTS:
        return _text(fact, compare.value, compare, asked)
    if fact in _TRAITS:
        return _trait(FACT + fact, "text", compare, asked)
    others = {"created": _created, "tag": _tag, "has": _has, "id": _id, "file": _file, "plan": _plan, "parent": _parent}
    return others[fact](compare, asked)


def _of_parameter(parameter: Parameter, compare: Compare, asked: Asked) -> list[Condition]:
    if parameter.kind == "size":
        sides = _SIZE.fullmatch(compare.value)
        if sides is None or compare.operator not in ("=", ":"):
            raise _wrong(compare, asked, "a size is compared with = or !=, like size=512x768")
        pairs = (("width", sides[1]), ("height", sides[2]))
        return [_number(name, _with(compare, value=side), asked) for name, side in pairs]
    if parameter.optional and compare.operator in ("=", ":") and compare.value.lower() in UNSET:
        return [Condition(f"NOT ({_with_trait(parameter.name, asked).where})")]
    is_text = parameter.kind in ("text", "choice")
    if parameter.choices == "sampler" and compare.operator in ("=", ":"):
        return _combined(parameter, compare, asked)
    if parameter.name not in COMMON:
        return [_trait(parameter.name, "text" if is_text else "number", compare, asked, parameter)]
    if not is_text:
        return [_number(parameter.name, compare, asked, parameter)]
    return [_text(parameter.name, _canonical(parameter, compare, asked), compare, asked)]


def _combined(parameter: Parameter, compare: Compare, asked: Asked) -> list[Condition]:
    """A sampler, or a sampler and its schedule: 'DPM++ 2M Karras'."""
    try:
        sampler, schedule = split_sampler(compare.value)
    except UserError as error:
        raise _wrong(compare, asked, str(error).rstrip(".")) from None
    schedule_name = "schedule" if parameter.name == "sampler" else parameter.name.replace("sampler", "schedule")
    pairs = [(parameter.name, sampler), *([] if schedule is None else [(schedule_name, schedule)])]
    return [
        _text(name, value, compare, asked) if name in COMMON else _trait(name, "text", _with(compare, value=value), asked)
        for name, value in pairs
    ]


def _canonical(parameter: Parameter, compare: Compare, asked: Asked) -> str:
    """The one spelling of a value that is chosen from a registry; parts of one stay as they are."""
    if parameter.choices is None or compare.operator == "~":
        return compare.value
    try:
        return canonical_name(parameter.choices, compare.value)
    except UserError as error:
        raise _wrong(compare, asked, str(error).rstrip(".")) from None


def _number(column: str, compare: Compare, asked: Asked, parameter: Parameter | None = None) -> Condition:
    value = _float(compare, asked, parameter) if column != "seed" else _seed(compare, asked)
    # PostgreSQL uses no index where a whole number is compared with another kind.
    whole = CATALOGUED[column] is not Double and float(value).is_integer()
    test = f"{column} {_test(compare, asked)} {asked.bound(int(value) if whole else value)}"
    return Condition(f"c.{column} IS NOT NULL AND c.{test}", f"SELECT at FROM catalogue WHERE {test}", column)


def _seed(compare: Compare, asked: Asked) -> int:
    value = int(compare.value) if compare.value.isdecimal() and len(compare.value) <= 20 else -1
    if not 0 <= value < 2 * SEED_MIDDLE:
        raise _wrong(compare, asked, f"a seed is a whole number below 2^64, '{compare.value}' is none")
    return value - SEED_MIDDLE


def _float(compare: Compare, asked: Asked, parameter: Parameter | None = None) -> float:
    said = compare.value.strip()
    percent = said.endswith("%")
    try:
        if parameter is not None and parameter.kind == "switch":
            return float(parse_value(parameter, said) or 0)
        value = float(said.rstrip("%")) / (100 if percent else 1)
    except ValueError:
        value = float("nan")
    if value != value or abs(value) == float("inf"):  # noqa: PLR0124  # nan differs from itself
        raise _wrong(compare, asked, f"{compare.name} is compared with a number, '{compare.value}' is none")
    return value


def _test(compare: Compare, asked: Asked) -> str:
    if compare.operator not in _TESTS:
        raise _wrong(compare, asked, f"{compare.name} is a number; compare it with = != < <= > >=")
    return _TESTS[compare.operator]


def _text(column: str, value: str, compare: Compare, asked: Asked) -> Condition:
    """A comparison of a column that holds a word's number."""
    if compare.operator in ("=", ":"):
        number = asked.word(column, value)
        if number is None:
            return NEVER
        test = f"{column} = {asked.bound(number)}"
        return Condition(f"c.{column} IS NOT NULL AND c.{test}", f"SELECT at FROM catalogue WHERE {test}", column)
    if compare.operator != "~":
        raise _wrong(compare, asked, f"{compare.name} is a text; compare it with = != ~ !~")
    numbers = _titled(column, value, asked) if column in ("sampler", "schedule") else asked.containing(column, value)
    if numbers is None:
        part = asked.bound(folded(value))
        return Condition(f"EXISTS (SELECT 1 FROM words w WHERE w.id = c.{column} AND {asked.finds}(w.folded, {part}) > 0)")
    if not numbers:
        return NEVER
    test = f"{column} IN {asked.listed(numbers)}"
    return Condition(f"c.{column} IS NOT NULL AND c.{test}", f"SELECT at FROM catalogue WHERE {test}", column)


def _titled(kind: str, part: str, asked: Asked) -> list[int]:
    """The numbers of samplers or schedules whose name or title has a part: '2M' and 'DPM++' are in titles."""
    rows = asked.connection.execute(text("SELECT id, folded FROM words WHERE kind = :kind"), {"kind": kind})
    return [row.id for row in rows if folded(part) in row.folded or folded(part) in folded(_title(kind, row.folded))]


def _title(kind: str, name: str) -> str:
    try:
        return title_of(kind, name)
    except UserError:
        return name


def _with_trait(name: str, asked: Asked) -> Condition:
    """Whether a picture has a trait at all."""
    number = asked.word("name", name)
    if number is None:
        return NEVER
    test = f"name = {asked.bound(number)}"
    return Condition(f"EXISTS (SELECT 1 FROM traits t WHERE t.at = c.at AND t.{test})", f"SELECT at FROM traits WHERE {test}")


def _trait(name: str, kind: str, compare: Compare, asked: Asked, parameter: Parameter | None = None) -> Condition:
    number = asked.word("name", name)
    if kind == "number":
        test = f"number {_test(compare, asked)} {asked.bound(_float(compare, asked, parameter))}"
    else:
        value = compare.value if parameter is None else _canonical(parameter, compare, asked)
        test = _worded(name, value, compare, asked)
    if number is None or not test:
        return NEVER
    own = f"name = {asked.bound(number)}"
    # The column of a condition also tells the name: 'eta>0.1 eta<0.5' is gathered together.
    return Condition(
        f"EXISTS (SELECT 1 FROM traits t WHERE t.at = c.at AND t.{own} AND t.{test})",
        f"SELECT at FROM traits WHERE {own} AND {test}",
        f"traits {name}",
    )


def _worded(kind: str, value: str, compare: Compare, asked: Asked) -> str:
    """The test of a trait that is a text; empty where no word passes it."""
    if compare.operator in ("=", ":"):
        number = asked.word(kind, value)
        return "" if number is None else f"word = {asked.bound(number)}"
    if compare.operator != "~":
        raise _wrong(compare, asked, f"{compare.name} is a text; compare it with = != ~ !~")
    numbers = asked.containing(kind, value)
    if numbers is None:
        part = asked.bound(folded(value))
        return f"word IN (SELECT w.id FROM words w WHERE w.kind = {asked.bound(kind)} AND {asked.finds}(w.folded, {part}) > 0)"
    return f"word IN {asked.listed(numbers)}" if numbers else ""


def _created(compare: Compare, asked: Asked) -> Condition:
    span = moments(compare.value, asked.moment)
    if span is None or compare.operator == "~":
        why = f"'{compare.value}' is no time; write 7d, 2h, 30m, 2026-11-01, 2026-11-01T12:30 (UTC), today or yesterday"
        raise _wrong(compare, asked, why)
    first, after = (place(moment.astimezone(UTC).isoformat(), "000") for moment in span)
    after = max(after, first + 1) if compare.operator in ("=", ":") else after
    low = {"=": first, ":": first, ">=": first, ">": after}.get(compare.operator)
    high = {"=": after, ":": after, "<": first, "<=": after}.get(compare.operator)
    tests = [
        *([] if low is None else [f"c.at >= {asked.bound(low)}"]),
        *([] if high is None else [f"c.at < {asked.bound(high)}"]),
    ]
    return Condition(" AND ".join(tests))


def _tag(compare: Compare, asked: Asked) -> Condition:
    value = asked.bound(folded(compare.value.removeprefix("+")))
    tests = {"=": f"tag = {value}", ":": f"tag = {value}", "~": f"{asked.finds}(tag, {value}) > 0"}
    if compare.operator not in tests:
        raise _wrong(compare, asked, "tag is a text; compare it with : = != ~ !~")
    gathers = f"SELECT at FROM tags WHERE {tests[compare.operator]}"
    return Condition(f"EXISTS ({gathers} AND at = c.at)", gathers)


def _has(compare: Compare, asked: Asked) -> Condition:
    """Whether something is there at all: has:rating, has:tag, has:error, has:control_image."""
    spelling = spelling_of(compare.value)
    fact = _ALIASES.get(spelling, spelling)
    if compare.operator not in ("=", ":"):
        raise _wrong(compare, asked, "write has:rating, has:tag or has:error")
    if fact == "error":
        asked.errors = True
        return Condition("c.failed = 1", _with_trait(FACT + "error", asked).gathers)
    if fact in (*_NUMBERS, *_TEXTS):
        # Most pictures have these: walking finds them.
        return Condition(f"c.{fact} IS NOT NULL", f"SELECT at FROM catalogue WHERE {fact} IS NOT NULL")
    if fact in _TRAITS:
        return _with_trait(FACT + fact, asked)
    return _LINKS[fact] if fact in _LINKS else _sets(spelling, compare, asked)


_LINKS = {
    "tag": Condition("EXISTS (SELECT 1 FROM tags g WHERE g.at = c.at)", "SELECT DISTINCT at FROM tags"),
    "plan": Condition("EXISTS (SELECT 1 FROM images i WHERE i.at = c.at AND i.plan IS NOT NULL)"),
    "parent": Condition(
        "EXISTS (SELECT 1 FROM images i JOIN parents p ON p.image_id = i.id WHERE i.at = c.at)",
        "SELECT i.at FROM parents p JOIN images i ON i.id = p.image_id",
    ),
}
"""Whether a picture has a tag, belongs to a plan, or was made from others."""


def _sets(spelling: str, compare: Compare, asked: Asked) -> Condition:
    """Whether a picture's recipe sets a parameter, or a metric has said something of it."""
    known = _parameter(compare.value)
    if known is not None and known.name in ("prompt", "negative"):
        return Condition(f"c.{known.name} <> {asked.bound(asked.word(known.name, '') or -1)}")
    if known is not None:
        return Condition("1 = 1") if known.name in (*COMMON, "size") else _with_trait(known.name, asked)
    metric = _metric(spelling, asked)
    if metric is None:
        raise _unknown(_with(compare, name=compare.value, start=compare.value_start, end=compare.value_end), asked)
    return _with_trait(METRIC + metric, asked)


def _id(compare: Compare, asked: Asked) -> Condition:
    sought = compare.value.lower()
    if compare.operator not in ("=", ":", "~") or not re.fullmatch(r"[0-9a-f]{1,32}", sought):
        raise _wrong(compare, asked, "an id is hexadecimal; write id:1a2b3c4d")
    low, high = asked.bound(sought), asked.bound(sought + "g")
    gathers = f"SELECT at FROM images WHERE id >= {low} AND id < {high}"
    return Condition(f"c.at IN ({gathers})", gathers)


def _file(compare: Compare, asked: Asked) -> Condition:
    sought = compare.value.lower()
    if compare.operator not in ("=", ":") or not re.fullmatch(r"[0-9a-f]{4,64}", sought):
        raise _wrong(compare, asked, "a file is told by its hash, four hexadecimal digits or more: file:1a2b3c4d")
    low, high = asked.bound(sought), asked.bound(sought + "g")
    gathers = f"SELECT at FROM images WHERE file_hash >= {low} AND file_hash < {high}"
    return Condition(f"c.at IN ({gathers})", gathers)


def _plan(compare: Compare, asked: Asked) -> Condition:
    """A picture that an earlier plan drew belongs to every plan that has it as a cell."""
    sought = compare.value.lower()
    if compare.operator not in ("=", ":") or not re.fullmatch(r"[0-9a-f]{4,64}", sought):
        raise _wrong(compare, asked, "a plan is told by its id, four hexadecimal digits or more: plan:1a2b3c4d")
    low, high = asked.bound(sought), asked.bound(sought + "g")
    gathers = (
        f"SELECT at FROM images WHERE plan >= {low} AND plan < {high} UNION SELECT i.at FROM plan_cells p "
        f"JOIN images i ON i.recipe_digest = p.recipe_digest WHERE p.plan >= {low} AND p.plan < {high}"
    )
    return Condition(f"c.at IN ({gathers})", f"SELECT at FROM ({gathers}) b")


def _parent(compare: Compare, asked: Asked) -> Condition:
    sought = compare.value.lower()
    if compare.operator not in ("=", ":") or not re.fullmatch(r"[0-9a-f]{4,64}", sought):
        raise _wrong(compare, asked, "a parent is told by the hash of its file, four hexadecimal digits or more")
    low, high = asked.bound(sought), asked.bound(sought + "g")
    gathers = f"SELECT i.at FROM parents p JOIN images i ON i.id = p.image_id WHERE p.parent >= {low} AND p.parent < {high}"
    return Condition(f"c.at IN ({gathers})", gathers)


def _with(compare: Compare, **changes: Any) -> Compare:
    return Compare(**{**vars(compare), **changes})


def _wrong(compare: Compare, asked: Asked, why: str) -> UserError:
    return fault(asked.said, compare.value_start, compare.value_end, f"{why}.")
