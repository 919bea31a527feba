"""Connections to the database: how they are set up, and transactions that tell users what went wrong."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError

from aldente.engine.errors import UserError
from aldente.store.address import Address

BUSY_SECONDS = 30.0

CACHE_KIB = 64 * 1024
"""How much of an SQLite file a connection may keep in memory."""

MAPPED_BYTES = 2**31 - 2**16
"""How much of an SQLite file is read where the system keeps it, without copies; SQLite maps no more."""

LOGGED_PAGES = 16 * 1024
"""Pages (64 MB) that gather in the log before they are written to their places in the file, most of them several times."""


class Database:
    """A database with transactions for reading and for writing."""

    def __init__(self, address: Address) -> None:
        self.where = address.shown
        self._reader = _engine(address)
        self._writer = self._reader.execution_options(aldente_writes=True)
        self.dialect = self._reader.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with told(self.where), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, undone by an exception."""
        with told(self.where), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what a database driver says into a UserError that names the store."""
    try:
        yield
    except IntegrityError as error:
        raise UserError(
            f"store {where}: a row refers to something that is not there ({error.orig}); save that first."
        ) from error
    except DBAPIError as error:
        raise UserError(f"store {where}: {str(error.orig).strip()}. {_advice(str(error.orig))}") from error


def _advice(said: str) -> str:
    advice = {
        "database is locked": f"Another program has written for over {BUSY_SECONDS:.0f} s; stop it or use another --store.",
        "disk is full": "Free some space, or use another --store; what was saved before is intact.",
        "disk I/O error": "The disk is full or failing; what was saved before is intact.",
        "readonly": "The file or its folder cannot be written; mend its permissions or use another --store.",
        "unable to open": "The folder cannot be read or written; mend its permissions or use another --store.",
        "not a database": "The file is something else; give another --store.",
        "malformed": "The file is damaged; restore it from a backup, or use another --store.",
    }
    return next((hint for sign, hint in advice.items() if sign in said), "Check the address, and that the database runs.")


def _engine(address: Address) -> Engine:
    if address.url.get_backend_name() != "sqlite":
        return _server(address)
    try:
        Path(str(address.url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"store {address.shown}: its folder cannot be made ({error.strerror}); use another --store.") from error
    engine = create_engine(address.url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _server(address: Address) -> Engine:
    try:
        return create_engine(address.url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise UserError(
            f"store {address.shown}: the database driver '{error.name}' is not installed; run: pip install 'aldente[postgres]'."
        ) from error


def _set_up(connection: sqlite3.Connection, _: Any) -> None:
    # The driver must not begin transactions by itself: it would begin none before DDL and would begin writers as readers.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    # With NORMAL, what was committed last would be lost in a power cut.
    connection.execute("PRAGMA synchronous=FULL")
    # The default of 2 MB is less than a batch of pictures changes.
    connection.execute(f"PRAGMA cache_size={-CACHE_KIB}")
    # With the default of 1,000 pages every batch of pictures would wait until the whole of it is written twice.
    connection.execute(f"PRAGMA wal_autocheckpoint={LOGGED_PAGES}")
    connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log; SQLite does not wait for others here, so we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails when another wrote in between; one that begins as a writer waits.
    writes = connection.get_execution_options().get("aldente_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
