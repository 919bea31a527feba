"""The store: every picture's recipe, cost, quality and provenance in a database, the pictures themselves as files.

Importing this package loads no database library; ``open_store`` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aldente.store.port import Store


def open_store(url: str | None = None, *, folder: Path | None = None) -> Store:
    """The store at ``url`` (a path or a database URL), else at ALDENTE_STORE, else in the user's data directory.

    A store that is not there is made; an older one is migrated. ``folder`` is where the files go if not beside the database.
    Raises UserError when the store cannot be used, or is newer than this program.
    """
    # SQLAlchemy takes a quarter of a second to import; `aldente --help` must not wait for it.
    from aldente.store.sql import SqlStore  # noqa: PLC0415

    return SqlStore(url, folder=folder)
