"""The store that keeps its rows in SQLite or PostgreSQL and its pictures as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from aldente.engine.errors import UserError
from aldente.recipe.value import Value
from aldente.store import marks, pictures, studies, upkeep, votes
from aldente.store.address import FILE_NAME, address
from aldente.store.catalogue import catalogue_missing
from aldente.store.checkpoints import CHECKPOINTS, CheckpointFolder
from aldente.store.connection import Database
from aldente.store.entries import PlanEntry, PresetEntry, StudyEntry, StudyRow
from aldente.store.files import Files, StoredFile, suffix_of
from aldente.store.query import parse_query
from aldente.store.record import Record, Score, now
from aldente.store.schema import bring_up_to_date
from aldente.store.upkeep import Garbage, Health


class SqlStore:
    """A ``Store`` on a database and a folder."""

    def __init__(self, url: str | None = None, *, folder: Path | None = None) -> None:
        place = address(url, folder=folder)
        self._database = Database(place)
        try:
            bring_up_to_date(self._database)
            self._files = Files(place.folder)
        except BaseException:
            self._database.close()
            raise

    @property
    def where(self) -> str:
        """Where the store is, for people; holds no password."""
        return self._database.where

    @property
    def checkpoints(self) -> CheckpointFolder:
        """What long stages have finished, in a folder among the files."""
        return CheckpointFolder(self._files.folder / CHECKPOINTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def save(self, record: Record, png: bytes | None) -> Record:
        """The record as stored, with its file; see ``Store.save``."""
        return self.save_many([(record, png)])[0]

    def save_many(self, pairs: Sequence[tuple[Record, bytes | None]]) -> list[Record]:
        """The records as stored, all or none; see ``Store.save_many``. Raises ValueError for a picture without a file."""
        for record, png in pairs:
            if (record.failed is None) != (png is not None and suffix_of(png) != "bin"):
                raise ValueError(f"record {record.id}: a picture is saved with its PNG or other file, a failure with None")
        ids = list({record.id for record, _ in pairs})
        with self._database.reading() as connection:
            whole = {id_ for id_, file in pictures.files_of(connection, ids).items() if self._files.is_whole(file)}
        contents = {record.id: png for record, png in pairs if png is not None and record.id not in whole}
        files = dict(zip(contents, self._files.add(list(contents.values())), strict=True))
        with self._database.writing() as connection:
            stored = self._insert(connection, {record.id: record for record, _ in pairs}, files)
        return [stored[record.id] for record, _ in pairs]

    def _insert(
        self, connection: Connection, given: Mapping[str, Record], files: Mapping[str, StoredFile]
    ) -> dict[str, Record]:
        """Insert what is new; all of the given records as they are stored now, by id."""
        there = pictures.files_of(connection, list(given))
        new = [record for id_, record in given.items() if id_ not in there]
        inserted = pictures.insert_pictures(connection, new, files)
        pictures.add_scores(connection, {id_: given[id_].quality for id_ in there})
        for id_ in files.keys() & there.keys():
            pictures.replace_file(connection, id_, files[id_])
        others = [id_ for id_ in given if id_ not in inserted]
        return inserted | pictures.known(connection, others)

    def image_bytes(self, record: Record) -> bytes:
        """The PNG file of a picture; raises UserError when it is missing or damaged."""
        with self._database.reading() as connection:
            file = pictures.files_of(connection, [record.id]).get(record.id)
        if file is None:
            why = f"it failed: {record.failed}" if record.failed else "it was never saved there, or was removed."
            raise UserError(f"picture {record.id} has no file in store {self.where}; {why}")
        return self._files.read(file)

    def thumbnail(self, record: Record) -> bytes:
        """The picture as a small JPEG file, made when it is first asked for; see ``Store.thumbnail``."""
        from aldente.store.thumbnails import thumbnail  # noqa: PLC0415  # Pillow

        return thumbnail(self._files.folder, record, self.image_bytes)

    def mark(
        self,
        record_id: str,
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        rating: int | None = None,
        note: str | None = None,
        category: str | None = None,
    ) -> Record:
        """Say something of a picture; see ``Store.mark``. Raises UserError for what cannot be a tag or a rating."""
        with self._database.writing() as connection:
            whole = pictures.by_prefix(connection, record_id).id
            facts = {"rating": rating, "note": note, "category": category}
            marks.mark(connection, whole, add=list(add), remove=list(remove), facts=facts)
            return pictures.by_prefix(connection, whole)

    def vote(self, better: str, worse: str) -> tuple[Record, Record]:
        """Note that one picture is better than another; see ``Store.vote``."""
        with self._database.writing() as connection:
            votes.vote(connection, pictures.by_prefix(connection, better), pictures.by_prefix(connection, worse))
            return pictures.by_prefix(connection, better), pictures.by_prefix(connection, worse)

    def forget_vote(self, one: str, other: str) -> tuple[Record, Record]:
        """Take back what was said of two pictures; see ``Store.forget_vote``."""
        with self._database.writing() as connection:
            votes.forget(connection, pictures.by_prefix(connection, one), pictures.by_prefix(connection, other))
            return pictures.by_prefix(connection, one), pictures.by_prefix(connection, other)

    def votes(self, record_ids: Sequence[str]) -> list[tuple[str, str]]:
        """All votes between these pictures, the oldest first; see ``Store.votes``."""
        with self._database.reading() as connection:
            return votes.between(connection, record_ids)

    def children(self, record: Record) -> list[Record]:
        """The pictures that were made from this one's file, newest first."""
        if record.file_hash is None:
            return []
        return self.history(f"parent:{record.file_hash}", limit=10_000)

    def by_file(self, file_hash: str) -> list[Record]:
        """The records whose picture is this file, newest first."""
        with self._database.reading() as connection:
            return pictures.by_file(connection, file_hash)

    def keep_file(self, data: bytes) -> str:
        """Keep a file that recipes refer to; its SHA-256. See ``Store.keep_file``."""
        (file,) = self._files.add([data])
        with self._database.writing() as connection:
            pictures.insert_files(connection, [file])
        return file.hash

    def read_file(self, file_hash: str) -> bytes:
        """The contents of any file of the store; raises UserError when it is missing or damaged."""
        with self._database.reading() as connection:
            file = pictures.file_named(connection, file_hash)
        if file is None:
            raise UserError(f"file {file_hash} is not in store {self.where}; give the file itself, or another --store.")
        return self._files.read(file)

    def find(self, recipe_digest: str, model_fingerprint: str) -> Record | None:
        """The newest picture of a recipe by these weights, if there is one."""
        return self.find_many([recipe_digest], model_fingerprint).get(recipe_digest)

    def find_many(self, recipe_digests: Iterable[str], model_fingerprint: str) -> dict[str, Record]:
        """The newest picture of each recipe that has one, by recipe digest."""
        with self._database.reading() as connection:
            return pictures.newest(connection, list(dict.fromkeys(recipe_digests)), model_fingerprint)

    def get(self, prefix: str) -> Record:
        """The record whose id begins with ``prefix``; raises UserError when there is none, or more than one."""
        with self._database.reading() as connection:
            return pictures.by_prefix(connection, prefix)

    def by_image(self, image_hash: str) -> list[Record]:
        """All records of one picture, newest first."""
        with self._database.reading() as connection:
            return pictures.by_image(connection, image_hash)

    def history(
        self, query: str = "", *, limit: int = 50, before: str | None = None, moment: str | None = None
    ) -> list[Record]:
        """Pictures that a query asks for, newest first, from after the one with the id ``before``; see ``Store.history``."""
        only = parse_query(query)
        with self._database.reading() as connection:
            return pictures.page(connection, limit, before, only, datetime.fromisoformat(moment or now()))

    def failures(self, *, limit: int = 50, plan: str | None = None, study: str | None = None) -> list[Record]:
        """Failures that no picture has made good, newest first."""
        with self._database.reading() as connection:
            return pictures.failed(connection, limit, plan, study)

    def add_scores(self, record_id: str, scores: Sequence[Score]) -> None:
        """Add what metrics said about a picture; what a metric's version has said already stays."""
        with self._database.writing() as connection:
            pictures.add_scores(connection, {pictures.by_prefix(connection, record_id).id: scores})

    def save_plan(self, plan: Value, cells: Sequence[str]) -> PlanEntry:
        """The plan as stored, with the recipe digest of each cell in order."""
        with self._database.writing() as connection:
            return studies.save_plan(connection, plan, cells)

    def plan(self, prefix: str) -> PlanEntry:
        """The plan whose digest begins with ``prefix``; raises UserError when there is none, or more than one."""
        with self._database.reading() as connection:
            return studies.plan_entry(connection, prefix)

    def save_study(self, study: StudyEntry) -> StudyEntry:
        """Save a study or its new state; what it was asked stays."""
        with self._database.writing() as connection:
            return studies.save_study(connection, study)

    def study(self, study_id: str) -> StudyEntry:
        """The study with this id; raises UserError when there is none."""
        with self._database.reading() as connection:
            return studies.study_entry(connection, study_id)

    def studies(self, *, kind: str | None = None, limit: int = 50) -> list[StudyEntry]:
        """Studies, newest first."""
        with self._database.reading() as connection:
            return studies.latest_studies(connection, kind, limit)

    def append_rows(self, study_id: str, rows: Sequence[StudyRow]) -> int:
        """Add measured rows and return how many were new; raises UserError when there is no such study."""
        with self._database.writing() as connection:
            return studies.append_rows(connection, study_id, rows)

    def study_rows(self, study_id: str) -> list[StudyRow]:
        """All rows of a study in the order they were added; raises UserError when there is no such study."""
        with self._database.reading() as connection:
            return studies.rows_of(connection, study_id)

    def save_preset(self, preset: PresetEntry) -> None:
        """Save a preset in place of an earlier one of its name."""
        with self._database.writing() as connection:
            studies.save_preset(connection, preset)

    def preset(self, name: str) -> PresetEntry:
        """The preset of this name; raises UserError when there is none."""
        with self._database.reading() as connection:
            return studies.preset_entry(connection, name)

    def presets(self) -> list[PresetEntry]:
        """All presets by name."""
        with self._database.reading() as connection:
            return studies.all_presets(connection)

    def sweep(self, *, remove: bool) -> Garbage:
        """Find the files that nothing needs, and with ``remove`` remove them."""
        return upkeep.sweep(self._database, self._files, remove=remove)

    def verify(self, watch: Callable[[int, int], None] | None = None) -> Health:
        """Look at every row and file."""
        return upkeep.verify(self._database, self._files, watch)

    def mend(self) -> int:
        """Catalogue the pictures that queries do not find; how many there were."""
        with self._database.writing() as connection:
            return catalogue_missing(connection)

    def backup(self, destination: Path) -> tuple[int, int]:
        """Copy everything to a folder; see ``Store.backup``. Raises UserError where it cannot be written."""
        return upkeep.backup(self._database, self._files, destination, name=FILE_NAME)
