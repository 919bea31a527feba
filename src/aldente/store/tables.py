"""The tables of the store. Types are those that SQLite and PostgreSQL share; migrations/versions builds what is here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

SEED_SPAN = 2**64


class Unsigned64(TypeDecorator[int]):
    """An integer of 0 to 2**64 - 1 in a signed column: equality holds, order only below 2**63."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """The signed number with the same 64 bits."""
        return value if value is None or value < SEED_SPAN // 2 else value - SEED_SPAN

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """The unsigned number with the same 64 bits."""
        return value if value is None or value >= 0 else value + SEED_SPAN


class Moment(TypeDecorator[str]):
    """An ``Instant`` (ISO 8601 text, UTC) in a column of time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The text as a time in UTC."""
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The time as text; SQLite keeps no time zone, and what we store is UTC."""
        if value is None:
            return None
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return str(moment.isoformat(timespec="microseconds")).replace("+00:00", "Z")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _digest(name: str, *rules: Any, optional: bool = False, key: bool = False) -> Column[str]:
    return Column(name, String(64), *rules, nullable=optional, primary_key=key)


def _image(*, key: bool = True) -> Column[str]:
    return Column("image_id", String(32), ForeignKey("images.id", ondelete="CASCADE"), primary_key=key)


recipes = Table(
    "recipes",
    metadata,
    _digest("digest", key=True),
    Column("canonical", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("sampler", Text, nullable=False),
    Column("schedule", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("cfg", Double, nullable=False),
    Column("seed", Unsigned64, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
)

files = Table(
    "files",
    metadata,
    _digest("hash", key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("created", Moment, nullable=False),
)

provenances = Table(
    "provenances",
    metadata,
    _digest("digest", key=True),
    Column("canonical", Text, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    _digest("digest", key=True),
    Column("canonical", Text, nullable=False),
    Column("created", Moment, nullable=False),
)

plan_cells = Table(
    "plan_cells",
    metadata,
    _digest("plan", ForeignKey("plans.digest", ondelete="CASCADE"), key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _digest("recipe_digest"),
    Index(None, "recipe_digest"),
    sqlite_with_rowid=False,
)

studies = Table(
    "studies",
    metadata,
    _digest("id", key=True),
    Column("kind", String(64), nullable=False),
    Column("spec", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created", Moment, nullable=False, index=True),
    Column("finished", Moment, nullable=True),
)

study_rows = Table(
    "study_rows",
    metadata,
    # SQLite numbers rows by itself only in a column of type INTEGER.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _digest("study", ForeignKey("studies.id", ondelete="CASCADE")),
    _digest("key"),
    Column("body", Text, nullable=False),
    UniqueConstraint("study", "key"),
)

presets = Table(
    "presets",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("body", Text, nullable=False),
    # No foreign key: a preset may come from another store than the study that proves it.
    _digest("study", optional=True),
    Column("created", Moment, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("id", String(32), primary_key=True),
    _digest("recipe_digest", ForeignKey("recipes.digest")),
    Column("model_fingerprint", String(200), nullable=False),
    _digest("image_hash", optional=True),
    _digest("file_hash", ForeignKey("files.hash"), optional=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("model_calls", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("peak_bytes", BigInteger, nullable=True),
    _digest("provenance", ForeignKey("provenances.digest")),
    _digest("plan", ForeignKey("plans.digest"), optional=True),
    _digest("study", ForeignKey("studies.id"), optional=True),
    Column("preset", String(200), nullable=True),
    Column("failed", Text, nullable=True),
    Column("created", Moment, nullable=False),
    Column("at", BigInteger, nullable=True),
    Column("category", String(200), nullable=True),
    Column("rating", Integer, nullable=True),
    Column("note", Text, nullable=True),
    Index(None, "at", unique=True),
    Index(None, "recipe_digest", "model_fingerprint", "created"),
    Index(None, "created", "id"),
    Index(None, "study", "created"),
    Index(None, "plan", "created"),
    Index(None, "image_hash"),
    Index(None, "file_hash"),
)

costs = Table(
    "costs",
    metadata,
    _image(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("stage", Text, nullable=False),
    Column("model_calls", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("peak_bytes", BigInteger, nullable=True),
    sqlite_with_rowid=False,
)

scores = Table(
    "scores",
    metadata,
    _image(),
    Column("metric", String(100), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

parents = Table(
    "parents",
    metadata,
    _image(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    # No foreign key: a picture may be made from one that the store has never seen.
    _digest("parent"),
    Index(None, "parent"),
    sqlite_with_rowid=False,
)


def _place() -> Column[int]:
    return Column("at", BigInteger, ForeignKey("images.at", ondelete="CASCADE"), primary_key=True, autoincrement=False)


tags = Table(
    "tags",
    metadata,
    _place(),
    Column("tag", String(100), primary_key=True),
    Index(None, "tag", "at"),
    sqlite_with_rowid=False,
)

words = Table(
    "words",
    metadata,
    # SQLite numbers rows by itself only in a column of type INTEGER.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(100), nullable=False),
    Column("key", String(32), nullable=False),
    Column("folded", Text, nullable=False),
    UniqueConstraint("key"),
    Index(None, "kind"),
)

CATALOGUED: dict[str, Any] = {
    "model": Integer,
    "prompt": Integer,
    "negative": Integer,
    "sampler": Integer,
    "schedule": Integer,
    "rng": Integer,
    "program": Integer,
    "category": Integer,
    "preset": Integer,
    "steps": Integer,
    "cfg": Double,
    "seed": BigInteger,
    "width": Integer,
    "height": Integer,
    "calls": BigInteger,
    "seconds": Double,
    "peak": BigInteger,
    "rating": Integer,
}
"""The columns of the catalogue: texts as numbers of ``words``, seeds less 2**63, so that they keep their order."""

catalogue = Table(
    "catalogue",
    metadata,
    # In SQLite this is the row's own number: the table lies in the order of time.
    Column(
        "at",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("images.at", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("failed", Integer, nullable=False),
    *[Column(name, kind, nullable=True, index=True) for name, kind in CATALOGUED.items()],
)

traits = Table(
    "traits",
    metadata,
    _place(),
    Column("name", Integer, primary_key=True, autoincrement=False),
    Column("number", Double, nullable=True),
    Column("word", BigInteger, nullable=True),
    Index(None, "name", "number", "at"),
    Index(None, "name", "word", "at"),
    sqlite_with_rowid=False,
)

votes = Table(
    "votes",
    metadata,
    Column("better", String(32), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("worse", String(32), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("created", Moment, nullable=False),
    Index(None, "worse"),
    sqlite_with_rowid=False,
)
