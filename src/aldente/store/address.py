"""Where a store lives: from what a user writes to a database address and a folder for files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import platformdirs
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from aldente.engine.errors import UserError

VARIABLE = "ALDENTE_STORE"
FILE_NAME = "aldente.sqlite"


class Address(NamedTuple):
    """A database and the folder of its files."""

    url: URL
    folder: Path

    @property
    def shown(self) -> str:
        """The address for people: a path for SQLite; passwords hidden."""
        local = self.url.get_backend_name() == "sqlite"
        return str(self.url.database) if local else self.url.render_as_string(hide_password=True)


def address(url: str | None, *, folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> Address:
    """The address of a store: ``url``, else the variable ALDENTE_STORE, else the user's data directory.

    ``url`` is a database URL, or a path: of a database file, or (when it has no suffix) of a folder to keep it in.
    Files lie beside an SQLite database in ``<name>.files``, for other databases in the user's data directory.
    """
    data = Path(platformdirs.user_data_dir("aldente", appauthor=False))
    given = url or environment.get(VARIABLE) or str(data / FILE_NAME)
    parsed = _parsed(given) if "://" in given else _of_path(Path(given).expanduser())
    if parsed.get_backend_name() != "sqlite":
        return Address(_driven(parsed), folder or data / "files")
    if parsed.database in {None, "", ":memory:"}:
        raise UserError(f"store '{given}' would vanish with the process; give a path, or sqlite:////path/to/file.sqlite.")
    path = Path(str(parsed.database)).absolute()
    return Address(parsed.set(database=str(path)), folder or path.with_name(path.stem + ".files"))


def _of_path(path: Path) -> URL:
    inside = path / FILE_NAME if path.is_dir() or not path.suffix else path
    return URL.create("sqlite", database=str(inside.absolute()))


def _parsed(given: str) -> URL:
    try:
        url = make_url(given.replace("postgres://", "postgresql://", 1) if given.startswith("postgres://") else given)
        backend = url.get_backend_name()
    except ArgumentError as error:
        raise UserError(
            f"store '{given}' is not a database URL; write a path, sqlite:////path/to/file.sqlite or postgresql://user@host/name."
        ) from error
    if backend not in {"sqlite", "postgresql"}:
        raise UserError(f"store '{url.render_as_string()}': {backend} is not supported; a store lives in SQLite or PostgreSQL.")
    return url


def _driven(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
