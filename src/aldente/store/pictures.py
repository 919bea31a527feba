"""Pictures in the database: saving them, finding them, turning pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, delete, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from aldente.engine.errors import UserError
from aldente.store.entries import Filter
from aldente.store.files import StoredFile
from aldente.store.record import Record, Score, now
from aldente.store.rows import (
    CHUNK,
    Fields,
    cost_rows,
    image_row,
    joined,
    parent_rows,
    provenance_row,
    recipe_row,
    records,
    score_rows,
)
from aldente.store.tables import costs, files, images, parents, plan_cells, provenances, recipes, scores

SHORTEST_PREFIX = 4


def add_new(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet."""
    keys = [column.name for column in table.primary_key]
    # Two writers that insert the same rows in different orders would wait for each other for ever.
    ordered = sorted({tuple(row[key] for key in keys): row for row in rows}.items())
    if not ordered:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(table).on_conflict_do_nothing(), [dict(row) for _, row in ordered])


def known(connection: Connection, ids: Sequence[str]) -> dict[str, Record]:
    """The records with these ids that are there."""
    found: dict[str, Record] = {}
    for start in range(0, len(ids), CHUNK):
        query = joined().where(images.c.id.in_(ids[start : start + CHUNK]))
        found |= {record.id: record for record in records(connection, query)}
    return found


def files_of(connection: Connection, ids: Sequence[str]) -> dict[str, StoredFile]:
    """The files of those of these records that have one, by record id."""
    found: dict[str, StoredFile] = {}
    for start in range(0, len(ids), CHUNK):
        query = select(images.c.id, files.c.hash, files.c.bytes, files.c.path).join(files, files.c.hash == images.c.file_hash)
        for row in connection.execute(query.where(images.c.id.in_(ids[start : start + CHUNK]))):
            found[row.id] = StoredFile(row.hash, row.bytes, row.path)
    return found


def file_named(connection: Connection, file_hash: str) -> StoredFile | None:
    """The file with these contents, if the store knows it."""
    query = select(files.c.hash, files.c.bytes, files.c.path).where(files.c.hash == file_hash)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredFile(row.hash, row.bytes, row.path)


def insert_files(connection: Connection, stored: Iterable[StoredFile]) -> None:
    """Tell the database of files that are on the disk."""
    add_new(connection, files, _file_rows(stored))


def insert_pictures(connection: Connection, new: Sequence[Record], stored: Mapping[str, StoredFile]) -> None:
    """Insert records without their scores; ``stored`` holds their files, which are on the disk, by record id."""
    makers = [provenance_row(record) for record in new]
    failures = [record.id for record in new if record.failed is not None]
    for start in range(0, len(failures), CHUNK):
        connection.execute(delete(images).where(images.c.id.in_(failures[start : start + CHUNK])))
    rows = [
        image_row(record, maker["digest"]) | {"file_hash": stored[record.id].hash if record.id in stored else None}
        for record, maker in zip(new, makers, strict=True)
    ]
    insert_files(connection, stored.values())
    add_new(connection, recipes, [recipe_row(record) for record in new])
    add_new(connection, provenances, makers)
    add_new(connection, images, rows)
    add_new(connection, costs, [row for record in new for row in cost_rows(record)])
    add_new(connection, parents, [row for record in new for row in parent_rows(record)])


def _file_rows(stored: Iterable[StoredFile]) -> list[Fields]:
    created = now()
    return [{**file._asdict(), "media_type": file.media_type, "created": created} for file in stored]


def add_scores(connection: Connection, quality: Mapping[str, Sequence[Score]]) -> None:
    """Add scores by record id; a metric and version that is there already stays."""
    add_new(connection, scores, [row for record_id, found in quality.items() for row in score_rows(record_id, found)])


def replace_file(connection: Connection, record_id: str, file: StoredFile) -> None:
    """Give a picture whose file was lost its new one."""
    insert_files(connection, [file])
    connection.execute(update(images).where(images.c.id == record_id).values(file_hash=file.hash))


def newest(connection: Connection, recipe_digests: Sequence[str], model_fingerprint: str) -> dict[str, Record]:
    """The newest picture of each recipe that has one."""
    found: dict[str, Record] = {}
    for start in range(0, len(recipe_digests), CHUNK):
        query = (
            joined()
            .where(images.c.recipe_digest.in_(recipe_digests[start : start + CHUNK]))
            .where(images.c.model_fingerprint == model_fingerprint, images.c.failed.is_(None))
            .order_by(images.c.created, images.c.id)
        )
        found |= {record.recipe_digest: record for record in records(connection, query)}
    return found


def by_prefix(connection: Connection, prefix: str) -> Record:
    """The one record whose id begins with ``prefix``; raises UserError when there is none, or more than one."""
    sought = prefix.strip().lower()
    if len(sought) < SHORTEST_PREFIX or not set(sought) <= set("0123456789abcdef"):
        raise UserError(
            f"'{prefix}' is not the id of a picture; an id is hexadecimal, its first {SHORTEST_PREFIX} digits or more will do; "
            "`aldente history` lists them."
        )
    # "g" is the first letter after the hexadecimal digits; a range, unlike LIKE, uses the index everywhere.
    query = joined().where(images.c.id >= sought, images.c.id < sought + "g").order_by(images.c.id).limit(5)
    found = records(connection, query)
    if not found:
        raise UserError(f"no picture has an id that begins with '{sought}'; `aldente history` lists the pictures.")
    if len(found) > 1:
        ids = ", ".join(record.id[: len(sought) + 6] for record in found)
        raise UserError(f"'{sought}' is the beginning of several ids, such as {ids}; give more digits.")
    return found[0]


def by_image(connection: Connection, image_hash: str) -> list[Record]:
    """All records of one picture, newest first."""
    return records(connection, _latest(joined().where(images.c.image_hash == image_hash)))


def page(connection: Connection, limit: int, before: str | None, only: Filter) -> list[Record]:
    """One page of pictures, newest first, that pass the filter."""
    query = joined().where(images.c.failed.is_(None))
    for condition in _conditions(only):
        query = query.where(condition)
    if before is not None:
        last = by_prefix(connection, before)
        created = last.provenance.created
        query = query.where(images.c.created <= created, or_(images.c.created < created, images.c.id < last.id))
    return records(connection, _latest(query).limit(limit))


def failed(connection: Connection, limit: int, plan: str | None, study: str | None) -> list[Record]:
    """Failures, newest first, of recipes that have no picture by the same weights."""
    drawn = images.alias()
    made_good = exists().where(
        and_(
            drawn.c.recipe_digest == images.c.recipe_digest,
            drawn.c.model_fingerprint == images.c.model_fingerprint,
            drawn.c.failed.is_(None),
        )
    )
    query = joined().where(images.c.failed.is_not(None), ~made_good)
    for condition in _conditions(Filter(plan=plan, study=study)):
        query = query.where(condition)
    return records(connection, _latest(query).limit(limit))


def _latest(query: Select[Any]) -> Select[Any]:
    return query.order_by(images.c.created.desc(), images.c.id.desc())


def _conditions(only: Filter) -> list[Any]:
    exact = {
        recipes.c.model: only.model,
        recipes.c.sampler: only.sampler,
        recipes.c.schedule: only.schedule,
        recipes.c.steps: only.steps,
        recipes.c.seed: only.seed,
        images.c.study: only.study,
        images.c.preset: only.preset,
    }
    conditions: list[Any] = [column == value for column, value in exact.items() if value is not None]
    if only.prompt is not None:
        conditions.append(recipes.c.prompt.icontains(only.prompt, autoescape=True))
    if only.since is not None:
        conditions.append(images.c.created >= only.since)
    if only.plan is not None:
        # A picture that an earlier plan drew belongs to every plan that has it as a cell.
        cells = select(plan_cells.c.recipe_digest).where(plan_cells.c.plan == only.plan)
        conditions.append(or_(images.c.plan == only.plan, images.c.recipe_digest.in_(cells)))
    return conditions
