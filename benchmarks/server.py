"""A new database on the PostgreSQL server that ALDENTE_TEST_POSTGRES names, for a benchmark."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

SERVER = os.environ.get("ALDENTE_TEST_POSTGRES")
"""The address of the server, as a user who may create databases; None where PostgreSQL is not measured."""


@contextmanager
def fresh_database(server: str) -> Iterator[tuple[str, str]]:
    """The address of a new database, dropped afterwards, and the server's version."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
            version = str(connection.execute(text("SHOW server_version")).scalar_one())
        yield url.set(database=name).render_as_string(hide_password=False), version
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()
