"""Pictures in the database: saving them, finding them, turning pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, exists, select, update

from aldente.engine.errors import UserError
from aldente.store.catalogue import add_entries, add_metrics, entry, folded, placed
from aldente.store.files import StoredFile
from aldente.store.query import Query
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
from aldente.store.search import sought
from aldente.store.statements import add_new
from aldente.store.tables import costs, files, images, parents, provenances, recipes, scores, tags

SHORTEST_PREFIX = 4


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


def insert_pictures(connection: Connection, new: Sequence[Record], stored: Mapping[str, StoredFile]) -> dict[str, Record]:
    """Insert records; ``stored`` holds their files, which are on the disk, by record id. Pictures come back as they are stored.

    What another writer inserted in between is left out, and so are failures.
    """
    makers = [provenance_row(record) for record in new]
    failures = [record.id for record in new if record.failed is not None]
    for start in range(0, len(failures), CHUNK):
        connection.execute(delete(images).where(images.c.id.in_(failures[start : start + CHUNK])))
    places = placed(connection, new)
    rows = [
        image_row(record, maker["digest"])
        | {"file_hash": stored[record.id].hash if record.id in stored else None, "at": places[record.id]}
        for record, maker in zip(new, makers, strict=True)
    ]
    insert_files(connection, stored.values())
    add_new(connection, recipes, [recipe_row(record) for record in new])
    add_new(connection, provenances, makers)
    add_new(connection, images, rows)
    add_new(connection, costs, [row for record in new for row in cost_rows(record)])
    add_new(connection, parents, [row for record in new for row in parent_rows(record)])
    add_new(connection, scores, [row for record in new for row in score_rows(record.id, record.quality)])
    # Another writer may have been first with the same picture: its place counts.
    wanted, places = places, places_of(connection, [record.id for record in new])
    add_new(connection, tags, [{"at": places[record.id], "tag": folded(tag)} for record in new for tag in record.tags])
    add_entries(connection, [entry(record, places[record.id]) for record in new])
    ours = [record for record in new if places[record.id] == wanted[record.id] and record.id in stored]
    return {record.id: _as_stored(record, stored[record.id].hash) for record in ours}


def _as_stored(record: Record, file_hash: str) -> Record:
    """A picture's record as it would be read."""
    scores_ = {(score.metric, score.version): score for score in record.quality}
    tagged = tuple(sorted({folded(tag) for tag in record.tags}))
    quality = tuple(scores_[key] for key in sorted(scores_))
    return record.model_copy(update={"file_hash": file_hash, "quality": quality, "tags": tagged})


def places_of(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """The places of records in the catalogue, by id."""
    found: dict[str, int] = {}
    for start in range(0, len(ids), CHUNK):
        query = select(images.c.id, images.c.at).where(images.c.id.in_(ids[start : start + CHUNK]))
        found |= {row.id: row.at for row in connection.execute(query)}
    return found


def _file_rows(stored: Iterable[StoredFile]) -> list[Fields]:
    created = now()
    return [{**file._asdict(), "media_type": file.media_type, "created": created} for file in stored]


def add_scores(connection: Connection, quality: Mapping[str, Sequence[Score]]) -> None:
    """Add scores by the id of a record that is there; a metric and version that is there already stays."""
    add_new(connection, scores, [row for record_id, found in quality.items() for row in score_rows(record_id, found)])
    places = places_of(connection, list(quality))
    add_metrics(connection, {places[record_id]: found for record_id, found in quality.items()})


def replace_file(connection: Connection, record_id: str, file: StoredFile) -> None:
    """Give a picture whose file was lost its new one."""
    insert_files(connection, [file])
    connection.execute(update(images).where(images.c.id == record_id).values(file_hash=file.hash))


def newest(connection: Connection, recipe_digests: Sequence[str], model_fingerprint: str) -> dict[str, Record]:
    """The newest picture of each recipe that has one; what was imported and is only nearly that comes after all others."""
    found: dict[str, Record] = {}
    for start in range(0, len(recipe_digests), CHUNK):
        query = (
            joined()
            .where(images.c.recipe_digest.in_(recipe_digests[start : start + CHUNK]))
            .where(images.c.model_fingerprint == model_fingerprint, images.c.failed.is_(None))
            .order_by(images.c.created, images.c.id)
        )
        exact_last = sorted(records(connection, query), key=lambda record: record.provenance.imported_as is None)
        found |= {record.recipe_digest: record for record in exact_last}
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


def by_file(connection: Connection, file_hash: str) -> list[Record]:
    """All records of one file, newest first."""
    return records(connection, _latest(joined().where(images.c.file_hash == file_hash)))


def page(connection: Connection, limit: int, before: str | None, only: Query, moment: datetime) -> list[Record]:
    """One page of pictures, newest first, of those that a query asks for at a ``moment``."""
    last = None if before is None else at_of(connection, by_prefix(connection, before).id)
    return at_places(connection, sought(connection, only, moment=moment, limit=limit, before=last))


def at_places(connection: Connection, places: Sequence[int]) -> list[Record]:
    """The records at these places of the catalogue, newest first."""
    found: list[Record] = []
    for start in range(0, len(places), CHUNK):
        found += records(
            connection, joined().where(images.c.at.in_(places[start : start + CHUNK])).order_by(images.c.at.desc())
        )
    return found


def at_of(connection: Connection, record_id: str) -> int:
    """The place of a record in the catalogue."""
    return int(connection.execute(select(images.c.at).where(images.c.id == record_id)).scalar_one())


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
    if study is not None:
        query = query.where(images.c.study == study)
    if plan is not None:
        query = query.where(images.c.plan == plan)
    return records(connection, _latest(query).limit(limit))


def _latest(query: Select[Any]) -> Select[Any]:
    return query.order_by(images.c.created.desc(), images.c.id.desc())
