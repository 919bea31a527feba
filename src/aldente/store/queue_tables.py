"""The table of the queue; migrations/versions/r0003_queue.py builds it."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, String, Table, Text

from aldente.store.tables import Moment, metadata

__all__ = ["jobs", "metadata"]

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("seconds_left", Double, nullable=True),
    Column("note", Text, nullable=False),
    Column("owner", String(200), nullable=True),
    Column("lease_until", Moment, nullable=True),
    Column("created", Moment, nullable=False),
    Column("started", Moment, nullable=True),
    Column("finished", Moment, nullable=True),
    Index(None, "state", "priority", "position"),
)
