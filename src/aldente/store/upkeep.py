"""Keeping a store sound: what nothing refers to, what is damaged, and a copy of everything."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, select, text

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.value import Value
from aldente.store.checkpoints import CHECKPOINTS
from aldente.store.connection import Database
from aldente.store.files import THUMBNAILS, Files, StoredFile
from aldente.store.record import sources
from aldente.store.rows import CHUNK
from aldente.store.tables import catalogue, files, images, parents, recipes

YOUNG_SECONDS = 3600.0
"""No younger file is removed: its row may be about to be written."""

LEFT_SECONDS = 7 * 86_400.0
"""A checkpoint that is older was left: nobody has gone on from it."""


class Garbage(Value):
    """Files that nothing refers to: their paths in the store's folder, and their bytes."""

    paths: tuple[str, ...]
    bytes: int
    removed: bool


class Damage(Value):
    """Something wrong: where, what, and what to do about it."""

    where: str
    what: str
    advice: str


class Health(Value):
    """What a look at everything found, and how much was looked at."""

    pictures: int
    files: int
    bytes: int
    damage: tuple[Damage, ...]


def sweep(database: Database, kept: Files, *, remove: bool) -> Garbage:
    """Find files that no picture and no recipe needs, lost pictures' thumbnails too, and with ``remove`` remove them.

    Of the checkpoints these are the ones that were left for a week.
    """
    with database.writing() if remove else database.reading() as connection:
        needed = _needed(connection)
        known = {row.path: row.hash for row in connection.execute(select(files.c.path, files.c.hash))}
        wanted = {path for path, hash_ in known.items() if hash_ in needed}
        loose = [path for path in _on_disk(kept.folder, needed) if path.relative_to(kept.folder).as_posix() not in wanted]
        old = [path for path in loose if _is_old(path, kept.folder)]
        size = sum(path.stat().st_size for path in old)
        if remove:
            gone = {path.relative_to(kept.folder).as_posix() for path in old}
            orphans = [hash_ for path, hash_ in known.items() if hash_ not in needed and path in gone]
            for start in range(0, len(orphans), CHUNK):
                connection.execute(delete(files).where(files.c.hash.in_(orphans[start : start + CHUNK])))
    if remove:
        for path in old:
            path.unlink(missing_ok=True)
            if path.parent.parent == kept.folder / CHECKPOINTS:
                with suppress(OSError):  # others of the run are younger
                    path.parent.rmdir()
    paths = tuple(sorted(path.relative_to(kept.folder).as_posix() for path in old))
    return Garbage(paths=paths, bytes=size, removed=remove)


def _is_old(path: Path, folder: Path) -> bool:
    """Whether nobody will ask for a file; one that is gone by now was wanted until then."""
    keeps = LEFT_SECONDS if path.relative_to(folder).parts[0] == CHECKPOINTS else YOUNG_SECONDS
    try:
        return time.time() - path.stat().st_mtime > keeps
    except FileNotFoundError:
        return False


def _needed(connection: Connection) -> set[str]:
    """The hashes of all files that pictures hold, are made from, or whose recipes name."""
    found = set(connection.execute(select(images.c.file_hash).where(images.c.file_hash.is_not(None))).scalars())
    found |= set(connection.execute(select(parents.c.parent)).scalars())
    kinds = ('%"image":"%', '%"mask":"%')
    naming = select(recipes.c.canonical).where(recipes.c.canonical.like(kinds[0]) | recipes.c.canonical.like(kinds[1]))
    for canonical in connection.execute(naming).scalars():
        found |= set(sources(Recipe.model_validate_json(canonical)))
    return found


def _on_disk(folder: Path, needed: set[str]) -> Iterator[Path]:
    """All files of a store but those being written and the thumbnails of pictures that are there."""
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if inside[0] == "incoming" or not path.is_file():
            continue
        if inside[0] != THUMBNAILS or path.stem not in needed:
            yield path


def verify(database: Database, kept: Files, watch: Callable[[int, int], None] | None = None) -> Health:
    """Read every row and file and compare all that can be; ``watch`` hears how many files of how many are done."""
    damage: list[Damage] = []
    with database.reading() as connection:
        damage += _database_damage(connection)
        damage += _recipe_damage(connection)
        damage += _row_damage(connection)
        rows = connection.execute(select(files.c.hash, files.c.bytes, files.c.path).order_by(files.c.path)).all()
        pictures = int(connection.execute(select(func.count()).select_from(images)).scalar_one())
    for number, row in enumerate(rows, start=1):
        damage += _file_damage(kept, StoredFile(row.hash, row.bytes, row.path))
        if watch is not None:
            watch(number, len(rows))
    return Health(pictures=pictures, files=len(rows), bytes=sum(row.bytes for row in rows), damage=tuple(damage))


def _database_damage(connection: Connection) -> Iterator[Damage]:
    if connection.dialect.name != "sqlite":
        return
    for (said,) in connection.execute(text("PRAGMA integrity_check(20)")):
        if said != "ok":
            yield Damage(where="database", what=str(said), advice="Restore the database from a backup.")
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        advice = "Restore the database from a backup; the row may be removed by hand."
        yield Damage(
            where=f"table {row[0]}, row {row[1]}", what=f"refers to a row of {row[2]} that is not there", advice=advice
        )


def _recipe_damage(connection: Connection) -> Iterator[Damage]:
    for row in connection.execute(select(recipes.c.digest, recipes.c.canonical)):
        where = f"recipe {row.digest[:12]}"
        if hashlib.sha256(row.canonical.encode(errors="surrogatepass")).hexdigest() != row.digest:
            yield Damage(where=where, what="does not match its digest", advice="Restore the database from a backup.")
            continue
        try:
            Recipe.model_validate_json(row.canonical)
        except ValidationError as error:
            what = f"is none that this aldente knows ({error.errors()[0]['msg']})"
            yield Damage(where=where, what=what, advice="Upgrade aldente.")


def _row_damage(connection: Connection) -> Iterator[Damage]:
    """Pictures without a file, and pictures that queries do not find."""
    lone = select(images.c.id).where(images.c.failed.is_(None), images.c.file_hash.is_(None))
    for id_ in connection.execute(lone).scalars():
        yield Damage(where=f"picture {id_[:12]}", what="has no file", advice=f"Draw it again: aldente reproduce {id_[:12]}")
    listed = select(catalogue.c.at)
    for id_ in connection.execute(select(images.c.id).where(images.c.at.is_(None) | images.c.at.not_in(listed))).scalars():
        yield Damage(where=f"picture {id_[:12]}", what="is not in the catalogue", advice="Mend it: aldente verify --mend")


def _file_damage(kept: Files, file: StoredFile) -> Iterator[Damage]:
    try:
        kept.read(file)
    except UserError as error:
        advice = (
            f"Restore {file.path} from a backup, or find its picture with aldente history 'file:{file.hash[:12]}' and mend it"
            " with aldente reproduce ID."
        )
        what = str(error).partition(";")[0].removeprefix(f"file {kept.folder / file.path} ")
        yield Damage(where=f"file {file.path}", what=what, advice=advice)


def backup(database: Database, kept: Files, destination: Path, *, name: str) -> tuple[int, int]:
    """Copy a store to a folder while others may write to it: the database as of one moment, then every file that it names.

    A later backup to the same folder copies only new files. Returns the number of files and their bytes.
    Raises UserError when the place cannot be written, or the store is on a server, whose own tools do this.
    """
    if database.dialect != "sqlite":
        raise UserError(f"store {database.where} is on a server; back it up with pg_dump, and its files with any copying tool.")
    target, temporary = destination / name, destination / f".{name}.part"
    try:
        copies = Files(target.with_name(target.stem + ".files"))
        temporary.unlink(missing_ok=True)
        rows = _copied(Path(database.where), temporary)
        for start in range(0, len(rows), CHUNK):
            copies.add([kept.read(row) for row in rows[start : start + CHUNK] if not copies.has(row)])
        # Only now, when all of its files are there, does the copy take its name.
        for suffix in ("-wal", "-shm"):
            target.with_name(name + suffix).unlink(missing_ok=True)
        temporary.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"{destination}: the backup cannot be written ({error}); choose another place.") from error
    return len(rows), sum(row.bytes for row in rows)


def _copied(source: Path, copy: Path) -> list[StoredFile]:
    """Copy a database as of one moment, and return the files that the copy names."""
    with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(copy)) as here:
        there.backup(here)
        here.execute("PRAGMA journal_mode=DELETE")
        return [StoredFile(*row) for row in here.execute("SELECT hash, bytes, path FROM files")]
