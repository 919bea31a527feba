"""What queries are answered from: one narrow row per picture, words, rarer parameters; tags, ratings, notes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("model", "prompt", "negative", "sampler", "schedule", "rng", "program", "category", "preset"), sa.Integer),
    **{"steps": sa.Integer, "cfg": sa.Double, "seed": sa.BigInteger, "width": sa.Integer, "height": sa.Integer},
    **{"calls": sa.BigInteger, "seconds": sa.Double, "peak": sa.BigInteger, "rating": sa.Integer},
}


def upgrade() -> None:
    """Build the tables; what is in the store already is catalogued afterwards."""
    op.add_column("images", sa.Column("at", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("category", sa.String(200), nullable=True))
    op.add_column("images", sa.Column("rating", sa.Integer(), nullable=True))
    op.add_column("images", sa.Column("note", sa.Text(), nullable=True))
    op.create_index("ix_images_at", "images", ["at"], unique=True)
    _words()
    _catalogue()
    _placed("tags", sa.Column("tag", sa.String(100), nullable=False), key="tag")
    op.create_index("ix_tags_tag_at", "tags", ["tag", "at"])
    _placed(
        "traits",
        sa.Column("name", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("word", sa.BigInteger(), nullable=True),
        key="name",
    )
    op.create_index("ix_traits_name_number_at", "traits", ["name", "number", "at"])
    op.create_index("ix_traits_name_word_at", "traits", ["name", "word", "at"])


def _words() -> None:
    op.create_table(
        "words",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_words"),
        sa.UniqueConstraint("key", name="uq_words_key"),
    )
    op.create_index("ix_words_kind", "words", ["kind"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE words_parts USING fts5(folded, content='words', content_rowid='id', tokenize='trigram')"
        )
        return
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute("CREATE INDEX ix_words_parts ON words USING gin (folded gin_trgm_ops)")
    except sa.exc.DBAPIError:
        return  # Without the extension, or the right to add it, words are read through: slower, with the same answers.


def _catalogue() -> None:
    op.create_table(
        "catalogue",
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        *[sa.Column(name, kind(), nullable=True) for name, kind in COLUMNS.items()],
        sa.ForeignKeyConstraint(["at"], ["images.at"], name="fk_catalogue_at_images", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("at", name="pk_catalogue"),
    )
    for name in COLUMNS:
        op.create_index(f"ix_catalogue_{name}", "catalogue", [name])


def _placed(table: str, *columns: sa.Column[Any], key: str) -> None:
    op.create_table(
        table,
        sa.Column("at", sa.BigInteger(), nullable=False, autoincrement=False),
        *columns,
        sa.ForeignKeyConstraint(["at"], ["images.at"], name=f"fk_{table}_at_images", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("at", key, name=f"pk_{table}"),
        sqlite_with_rowid=False,
    )
