"""Without two indexes that no query has used since the catalogue is there; each cost every saved picture a page of the disk."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop them."""
    op.drop_index("ix_recipes_seed", "recipes", if_exists=True)
    op.drop_index("ix_scores_metric_value", "scores", if_exists=True)
