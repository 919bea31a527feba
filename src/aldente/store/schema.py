"""Bringing a database to the schema that this version of aldente reads and writes."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from aldente.engine.errors import UserError
from aldente.store.catalogue import METRIC, catalogue_missing, ensure_words
from aldente.store.connection import Database
from aldente.store.record import ALWAYS_MEASURED

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""All schema revisions, oldest first; each is a file in migrations/versions."""

VERSION_TABLE = "aldente_schema"
MIGRATIONS = Path(__file__).parent / "migrations"
POSTGRES_LOCK = 0x616C64656E7465  # "aldente" in ASCII


def bring_up_to_date(database: Database) -> None:
    """Migrate the database if it is older than this program; raises UserError if it is newer.

    Two processes may do this at once: one migrates, the other waits and finds it done.
    """
    with database.reading() as connection:
        if _checked(connection, database.where) == REVISIONS[-1]:
            return
    with database.writing() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": POSTGRES_LOCK})
        if _checked(connection, database.where) != REVISIONS[-1]:
            _migrate(connection)
            catalogue_missing(connection)
            # So that questions about them are understood before there are any.
            ensure_words(connection, {("name", METRIC + name) for name in ALWAYS_MEASURED})


def _checked(connection: Connection, where: str) -> str | None:
    """The revision of the database; None for an empty one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if revision is not None and revision not in REVISIONS:
        raise UserError(
            f"store {where} was written by a newer aldente (schema {revision}; this one knows up to {REVISIONS[-1]}); "
            "upgrade aldente or use another --store."
        )
    return str(revision) if revision else None


def _migrate(connection: Connection) -> None:
    # Alembic takes a fifth of a second to import, and an up-to-date store does not need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
