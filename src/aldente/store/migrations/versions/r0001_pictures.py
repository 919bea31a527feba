"""The first schema: recipes, pictures with cost, scores and parents, plans, studies, presets, files."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build all tables."""
    _values()
    _plans()
    _studies()
    _images()
    _about_images()


def _text(name: str, length: int | None = None, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=null)


def _number(name: str, kind: Any = sa.Integer, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=null, autoincrement=False)


def _moment(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _refers(table: str, column: str, target: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target.split('.', maxsplit=1)[0]}"
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete=ondelete)


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def _values() -> None:
    op.create_table(
        "recipes",
        *[_text("digest", 64), _text("canonical"), _text("model"), _text("prompt"), _text("sampler"), _text("schedule")],
        *[_number("steps"), _number("cfg", sa.Double), _number("seed", sa.BigInteger), _number("width"), _number("height")],
        _key("recipes", "digest"),
    )
    _index("recipes", "seed")
    op.create_table(
        "files",
        *[_text("hash", 64), _number("bytes", sa.BigInteger), _text("path"), _text("media_type", 64), _moment("created")],
        _key("files", "hash"),
    )
    op.create_table("provenances", _text("digest", 64), _text("canonical"), _key("provenances", "digest"))


def _plans() -> None:
    op.create_table("plans", _text("digest", 64), _text("canonical"), _moment("created"), _key("plans", "digest"))
    op.create_table(
        "plan_cells",
        *[_text("plan", 64), _number("position"), _text("recipe_digest", 64)],
        _refers("plan_cells", "plan", "plans.digest", ondelete="CASCADE"),
        _key("plan_cells", "plan", "position"),
        sqlite_with_rowid=False,
    )
    _index("plan_cells", "recipe_digest")


def _studies() -> None:
    op.create_table(
        "studies",
        *[
            _text("id", 64),
            _text("kind", 64),
            _text("spec"),
            _text("state", 16),
            _moment("created"),
            _moment("finished", null=True),
        ],
        _key("studies", "id"),
    )
    _index("studies", "created")
    op.create_table(
        "study_rows",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *[_text("study", 64), _text("key", 64), _text("body")],
        _refers("study_rows", "study", "studies.id", ondelete="CASCADE"),
        _key("study_rows", "number"),
        sa.UniqueConstraint("study", "key", name="uq_study_rows_study_key"),
    )
    op.create_table(
        "presets",
        *[_text("name", 200), _text("body"), _text("study", 64, null=True), _moment("created")],
        _key("presets", "name"),
    )


def _images() -> None:
    op.create_table(
        "images",
        *[_text("id", 32), _text("recipe_digest", 64), _text("model_fingerprint", 200)],
        *[_text("image_hash", 64, null=True), _text("file_hash", 64, null=True), _number("width"), _number("height")],
        *[
            _number("model_calls", sa.BigInteger),
            _number("seconds", sa.Double),
            _number("peak_bytes", sa.BigInteger, null=True),
        ],
        *[
            _text("provenance", 64),
            _text("plan", 64, null=True),
            _text("study", 64, null=True),
            _text("preset", 200, null=True),
        ],
        *[_text("failed", null=True), _moment("created")],
        _refers("images", "recipe_digest", "recipes.digest"),
        _refers("images", "file_hash", "files.hash"),
        _refers("images", "provenance", "provenances.digest"),
        _refers("images", "plan", "plans.digest"),
        _refers("images", "study", "studies.id"),
        _key("images", "id"),
    )
    _index("images", "recipe_digest", "model_fingerprint", "created")
    _index("images", "created", "id")
    _index("images", "study", "created")
    _index("images", "plan", "created")
    _index("images", "image_hash")
    _index("images", "file_hash")


def _about_images() -> None:
    facts = {
        "costs": [_text("stage"), _number("model_calls", sa.BigInteger), _number("seconds", sa.Double)],
        "parents": [_text("parent", 64)],
        "scores": [_text("metric", 100), _text("version", 100), _number("value", sa.Double)],
    }
    facts["costs"] += [_number("peak_bytes", sa.BigInteger, null=True)]
    for table, columns in facts.items():
        place = [] if table == "scores" else [_number("position")]
        key = ("metric", "version") if table == "scores" else ("position",)
        op.create_table(
            table,
            *[_text("image_id", 32), *place, *columns],
            _refers(table, "image_id", "images.id", ondelete="CASCADE"),
            _key(table, "image_id", *key),
            sqlite_with_rowid=False,
        )
    _index("parents", "parent")
    _index("scores", "metric", "value")
