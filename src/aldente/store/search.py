"""Queries as SQL: which pictures a question asks for, newest first.

The pictures are walked from the newest on, unless some part of the question has few answers by its index: then only those are
looked at. How few is counted, up to a bound, before every query; the databases' own guesses are off by orders of magnitude.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from aldente.store.asked import Asked, Condition
from aldente.store.asking import ask
from aldente.store.query import Compare, Either, Every, Except, Part, Query

FEW = 20_000
"""From this many on, the answers of a part of a question are not gathered first: walking finds a page of them sooner."""


class Gathered(NamedTuple):
    """A statement that selects the few places where the answers must be, and the number of them."""

    statement: str
    number: int


def sought(
    connection: Connection, query: Query, *, moment: datetime, limit: int | None = None, before: int | None = None
) -> list[int]:
    """The places of the pictures that a query asks for, newest first, from after the place ``before``.

    Failures are left out unless the query asks about errors. Raises UserError where the query asks for what there is not.
    """
    asked = Asked(connection, query.text, moment)
    where = _where(query.part, asked)
    conditions = [*([] if asked.errors else ["c.failed = 0"]), *([] if before is None else [f"c.at < {asked.bound(before)}"])]
    few = _few(query.part, asked)
    if few is None:
        walked = "catalogue c NOT INDEXED" if connection.dialect.name == "sqlite" else "catalogue c"
        head = f"SELECT c.at FROM {walked} WHERE "
    else:
        gathered = f"WITH few AS MATERIALIZED (SELECT DISTINCT at FROM ({few.statement}) d)"
        head = f"{gathered} SELECT c.at FROM few CROSS JOIN catalogue c WHERE "
        conditions.append("c.at = few.at")
    statement = head + " AND ".join([*conditions, f"({where})"]) + " ORDER BY c.at DESC"
    if limit is not None:
        statement += f" LIMIT {asked.bound(limit)}"
    return list(connection.execute(text(statement), asked.bounds).scalars())


def _where(part: Part, asked: Asked) -> str:
    """The condition on a row ``c`` of the catalogue."""
    if isinstance(part, Compare):
        return " AND ".join(f"({one.where})" for one in ask(part, asked)) or "1 = 1"
    if isinstance(part, Except):
        return f"NOT ({_where(part.part, asked)})"
    inner = [_where(one, asked) for one in _cheap_first(part.parts)]
    if not inner:
        return "1 = 1"
    return (" OR " if isinstance(part, Either) else " AND ").join(f"({one})" for one in inner)


def _cheap_first(parts: Sequence[Part]) -> list[Part]:
    """What one row of the catalogue answers comes before what must be looked up elsewhere."""
    return sorted(parts, key=lambda part: not isinstance(part, Compare) or part.operator in ("~", "!~", ":"))


def _few(part: Part, asked: Asked) -> Gathered | None:
    """Where the answers of a part must be, if that is in few places."""
    if isinstance(part, Compare):
        return _fewest(ask(part, asked), asked)
    if isinstance(part, Either):
        ways = [_few(one, asked) for one in part.parts]
        sure = [way for way in ways if way is not None]
        total = sum(way.number for way in sure)
        if len(sure) < len(ways) or total >= FEW or not sure:
            return None
        return Gathered(" UNION ".join(f"SELECT at FROM ({way.statement}) u" for way in sure), total)
    if isinstance(part, Every):
        compared = [condition for one in part.parts if isinstance(one, Compare) for condition in ask(one, asked)]
        others = [_few(one, asked) for one in part.parts if not isinstance(one, Compare)]
        found = [way for way in (_fewest(compared, asked), *others) if way is not None]
        return min(found, key=lambda way: way.number, default=None)
    return None


def _fewest(conditions: Sequence[Condition], asked: Asked) -> Gathered | None:
    """The one of several conditions with the fewest answers; those on one column ('steps>=20 steps<25') count together."""
    together: dict[str, list[Any]] = defaultdict(list)
    for number, condition in enumerate(conditions):
        if condition.gathers is not None:
            together[condition.column or str(number)].append(condition.gathers)
    tests = [[one[0], *(f"({other.partition(' WHERE ')[2]})" for other in one[1:])] for one in together.values()]
    statements = [" AND ".join(one) for one in tests]
    found = [Gathered(statement, _count(statement, asked)) for statement in statements]
    return min((way for way in found if way.number < FEW), key=lambda way: way.number, default=None)


def _count(statement: str, asked: Asked) -> int:
    query = text(f"SELECT count(*) FROM (SELECT 1 FROM ({statement} LIMIT {FEW}) m) n")
    return int(asked.connection.execute(query, asked.bounds_in(statement)).scalar_one())
