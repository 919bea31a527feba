"""What the rest of the house asks of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from aldente.recipe.value import Value
from aldente.store.entries import Filter, PlanEntry, PresetEntry, StudyEntry, StudyRow
from aldente.store.record import Record, Score


class Store(Protocol):
    """Keeps pictures and all that is known about them. What a call has returned from survives the end of the process.

    Every call is one short transaction; a store may be used from several threads and processes at once.
    Names and ids that are not in the store raise UserError.
    """

    def __enter__(self) -> Self:
        """The store itself, to be closed at the end of a ``with``."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    @property
    def where(self) -> str:
        """Where the store is, for people; holds no password."""
        ...

    def save(self, record: Record, png: bytes | None) -> Record:
        """The record as stored; ``png`` is its file, None for a failure.

        The same picture of the same recipe by the same weights is stored once: a second save returns the first record, with new
        scores added. A failure replaces an earlier failure of the same recipe.
        """
        ...

    def save_many(self, pairs: Sequence[tuple[Record, bytes | None]]) -> list[Record]:
        """As ``save``, all in one transaction: either all are stored or none."""
        ...

    def find(self, recipe_digest: str, model_fingerprint: str) -> Record | None:
        """The newest picture of a recipe by these weights; failures don't count."""
        ...

    def find_many(self, recipe_digests: Iterable[str], model_fingerprint: str) -> dict[str, Record]:
        """The newest picture of each recipe that has one, by recipe digest."""
        ...

    def get(self, prefix: str) -> Record:
        """The record whose id begins with ``prefix``; raises UserError when there is none or more than one."""
        ...

    def by_image(self, image_hash: str) -> list[Record]:
        """All records of one picture, newest first."""
        ...

    def history(self, *, limit: int = 50, before: str | None = None, only: Filter | None = None) -> list[Record]:
        """Pictures, newest first; ``before`` is the id of the last record of the page before."""
        ...

    def failures(self, *, limit: int = 50, plan: str | None = None, study: str | None = None) -> list[Record]:
        """Failures that no later picture has made good, newest first."""
        ...

    def image_bytes(self, record: Record) -> bytes:
        """The file of a picture; raises UserError when it is missing or damaged."""
        ...

    def keep_file(self, data: bytes) -> str:
        """Keep a file that recipes refer to, such as a source picture or a mask, and return its SHA-256.

        Keeping it again changes nothing.
        """
        ...

    def read_file(self, file_hash: str) -> bytes:
        """The contents of any file of the store, kept or a picture's; raises UserError when it is missing or damaged."""
        ...

    def add_scores(self, record_id: str, scores: Sequence[Score]) -> None:
        """Add what metrics said about a picture; a metric and version that is there already stays as it is."""
        ...

    def save_plan(self, plan: Value, cells: Sequence[str]) -> PlanEntry:
        """The plan as stored, with the recipe digest of each of its cells in order; saving it again changes nothing."""
        ...

    def plan(self, prefix: str) -> PlanEntry:
        """The plan whose digest begins with ``prefix``."""
        ...

    def save_study(self, study: StudyEntry) -> StudyEntry:
        """Save a study, or its new state: id, kind, spec and created stay those of the first save."""
        ...

    def study(self, study_id: str) -> StudyEntry:
        """The study with this id."""
        ...

    def studies(self, *, kind: str | None = None, limit: int = 50) -> list[StudyEntry]:
        """Studies, newest first."""
        ...

    def append_rows(self, study_id: str, rows: Sequence[StudyRow]) -> int:
        """Add measured rows to a study and return how many were new; a key that is there already keeps its row."""
        ...

    def study_rows(self, study_id: str) -> list[StudyRow]:
        """All measured rows of a study, in the order they were added."""
        ...

    def save_preset(self, preset: PresetEntry) -> None:
        """Save a preset; an earlier one of the same name is replaced."""
        ...

    def preset(self, name: str) -> PresetEntry:
        """The preset of this name."""
        ...

    def presets(self) -> list[PresetEntry]:
        """All presets by name."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
