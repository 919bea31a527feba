"""Alembic's entrance: runs the migrations inside the transaction, and under the lock, that ``schema.py`` opened."""

from __future__ import annotations

from alembic import context

from aldente.store.queue_tables import metadata
from aldente.store.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
