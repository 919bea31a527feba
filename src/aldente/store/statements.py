"""Statements that SQLite and PostgreSQL spell differently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def add_new(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, by: Sequence[str] = ()) -> None:
    """Insert the rows whose keys (``by``, else the primary key) are not there yet."""
    keys = list(by) or [column.name for column in table.primary_key]
    # Two writers that insert the same rows in different orders would wait for each other for ever.
    ordered = sorted({tuple(row[key] for key in keys): row for row in rows}.items())
    if not ordered:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(table).on_conflict_do_nothing(index_elements=keys), [dict(row) for _, row in ordered])
