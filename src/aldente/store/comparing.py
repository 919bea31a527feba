"""What a comparison of a number, of a word or of a trait comes to."""

from __future__ import annotations

from sqlalchemy import Double, text

from aldente.engine.errors import UserError
from aldente.recipe.names import canonical_name, title_of
from aldente.recipe.parameters import Parameter, parse_value
from aldente.store.asked import NEVER, Asked, Condition, wrong
from aldente.store.catalogue import SEED_MIDDLE, folded
from aldente.store.query import Compare
from aldente.store.tables import CATALOGUED

_TESTS = {"=": "=", ":": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def canonical(parameter: Parameter, compare: Compare, asked: Asked) -> str:
    """The one spelling of a value that is chosen from a registry; parts of one stay as they are."""
    if parameter.choices is None or compare.operator == "~":
        return compare.value
    try:
        return canonical_name(parameter.choices, compare.value)
    except UserError as error:
        raise wrong(compare, asked, str(error).rstrip(".")) from None


def number(column: str, compare: Compare, asked: Asked, parameter: Parameter | None = None) -> Condition:
    """A comparison of a column of the catalogue that holds a number."""
    value = _float(compare, asked, parameter) if column != "seed" else _seed(compare, asked)
    # PostgreSQL uses no index where a whole number is compared with another kind.
    whole = CATALOGUED[column] is not Double and float(value).is_integer()
    test = f"{column} {_test(compare, asked)} {asked.bound(int(value) if whole else value)}"
    return Condition(f"c.{column} IS NOT NULL AND c.{test}", f"SELECT at FROM catalogue WHERE {test}", column)


def _seed(compare: Compare, asked: Asked) -> int:
    value = int(compare.value) if compare.value.isdecimal() and len(compare.value) <= 20 else -1
    if not 0 <= value < 2 * SEED_MIDDLE:
        raise wrong(compare, asked, f"a seed is a whole number below 2^64, '{compare.value}' is none")
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
        raise wrong(compare, asked, f"{compare.name} is compared with a number, '{compare.value}' is none")
    return value


def _test(compare: Compare, asked: Asked) -> str:
    if compare.operator not in _TESTS:
        raise wrong(compare, asked, f"{compare.name} is a number; compare it with = != < <= > >=")
    return _TESTS[compare.operator]


def worded(column: str, value: str, compare: Compare, asked: Asked) -> Condition:
    """A comparison of a column that holds a word's number."""
    if compare.operator in ("=", ":"):
        known = asked.word(column, value)
        if known is None:
            return NEVER
        test = f"{column} = {asked.bound(known)}"
        return Condition(f"c.{column} IS NOT NULL AND c.{test}", f"SELECT at FROM catalogue WHERE {test}", column)
    if compare.operator != "~":
        raise wrong(compare, asked, f"{compare.name} is a text; compare it with = != ~ !~")
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


def with_trait(name: str, asked: Asked) -> Condition:
    """Whether a picture has a trait at all."""
    known = asked.word("name", name)
    if known is None:
        return NEVER
    test = f"name = {asked.bound(known)}"
    return Condition(f"EXISTS (SELECT 1 FROM traits t WHERE t.at = c.at AND t.{test})", f"SELECT at FROM traits WHERE {test}")


def trait(name: str, kind: str, compare: Compare, asked: Asked, parameter: Parameter | None = None) -> Condition:
    """A comparison of a parameter that few pictures set, of a metric or of a text about a picture."""
    known = asked.word("name", name)
    if kind == "number":
        test = f"number {_test(compare, asked)} {asked.bound(_float(compare, asked, parameter))}"
    else:
        value = compare.value if parameter is None else canonical(parameter, compare, asked)
        test = _word_test(name, value, compare, asked)
    if known is None or not test:
        return NEVER
    own = f"name = {asked.bound(known)}"
    # The column of a condition also tells the name: 'eta>0.1 eta<0.5' is gathered together.
    return Condition(
        f"EXISTS (SELECT 1 FROM traits t WHERE t.at = c.at AND t.{own} AND t.{test})",
        f"SELECT at FROM traits WHERE {own} AND {test}",
        f"traits {name}",
    )


def _word_test(kind: str, value: str, compare: Compare, asked: Asked) -> str:
    """The test of a trait that is a text; empty where no word passes it."""
    if compare.operator in ("=", ":"):
        known = asked.word(kind, value)
        return "" if known is None else f"word = {asked.bound(known)}"
    if compare.operator != "~":
        raise wrong(compare, asked, f"{compare.name} is a text; compare it with = != ~ !~")
    numbers = asked.containing(kind, value)
    if numbers is None:
        part = asked.bound(folded(value))
        return f"word IN (SELECT w.id FROM words w WHERE w.kind = {asked.bound(kind)} AND {asked.finds}(w.folded, {part}) > 0)"
    return f"word IN {asked.listed(numbers)}" if numbers else ""
