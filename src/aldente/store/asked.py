"""A query while it is asked: what was bound so far, what the store's words are, and the conditions that it comes to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from aldente.engine.errors import UserError
from aldente.recipe.parameters import spelling_of
from aldente.store.catalogue import METRIC, folded, key_of
from aldente.store.query import Compare, fault

MANY_WORDS = 2000
"""Up to here the words that contain a text are listed; beyond, the word of each picture is looked at instead."""


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


def changed(compare: Compare, **changes: Any) -> Compare:
    """A comparison with some of its fields changed."""
    return Compare(**{**vars(compare), **changes})


def wrong(compare: Compare, asked: Asked, why: str) -> UserError:
    """The error for a value, pointing at it."""
    return fault(asked.said, compare.value_start, compare.value_end, f"{why}.")
