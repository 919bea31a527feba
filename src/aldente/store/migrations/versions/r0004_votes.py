"""Votes: which of two pictures somebody found better."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the table of votes."""
    op.create_table(
        "votes",
        sa.Column("better", sa.String(32), nullable=False),
        sa.Column("worse", sa.String(32), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["better"], ["images.id"], name="fk_votes_better_images", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["worse"], ["images.id"], name="fk_votes_worse_images", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("better", "worse", name="pk_votes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_votes_worse", "votes", ["worse"])
