"""What the rest of the house asks of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from aldente.recipe.value import Value
from aldente.store.checkpoints import CheckpointFolder
from aldente.store.entries import PlanEntry, PresetEntry, StudyEntry, StudyRow
from aldente.store.record import Record, Score

if TYPE_CHECKING:
    from aldente.store.upkeep import Garbage, Health


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

    @property
    def checkpoints(self) -> CheckpointFolder:
        """Where long stages keep what they have finished, until they are; ``sweep`` clears what nobody came back for."""
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

    def history(
        self, query: str = "", *, limit: int = 50, before: str | None = None, moment: str | None = None
    ) -> list[Record]:
        """Pictures that a query (docs/queries.md) asks for, newest first; ``before`` is the last id of the page before.

        '7d' is before ``moment`` (the present if not given). Failures are left out unless the query asks about errors.
        """
        ...

    def failures(self, *, limit: int = 50, plan: str | None = None, study: str | None = None) -> list[Record]:
        """Failures that no later picture has made good, newest first."""
        ...

    def image_bytes(self, record: Record) -> bytes:
        """The file of a picture; raises UserError when it is missing or damaged."""
        ...

    def thumbnail(self, record: Record) -> bytes:
        """The picture as a JPEG file of at most 256 px a side, made when it is first asked for."""
        ...

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
        """Say something of a picture: tags to add and remove, a rating from 1 to 5, a note, what it is a picture of.

        A rating of 0 and an empty note or category take back what was said; tags are compared in small letters.
        """
        ...

    def vote(self, better: str, worse: str) -> tuple[Record, Record]:
        """Note that one picture is better than another, by their ids; the last word on a pair stands. Both as they are now."""
        ...

    def forget_vote(self, one: str, other: str) -> tuple[Record, Record]:
        """Take back what was said of two pictures; raises UserError where nothing was."""
        ...

    def votes(self, record_ids: Sequence[str]) -> list[tuple[str, str]]:
        """All votes between these pictures, as ids (better, worse), the oldest first."""
        ...

    def children(self, record: Record) -> list[Record]:
        """The pictures that were made from this one's file, newest first."""
        ...

    def by_file(self, file_hash: str) -> list[Record]:
        """The records whose picture is this file, newest first."""
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

    def sweep(self, *, remove: bool) -> Garbage:
        """Find the files that nothing needs, and with ``remove`` remove them."""
        ...

    def verify(self, watch: Callable[[int, int], None] | None = None) -> Health:
        """Look at every row and file; ``watch`` hears how many files of how many are done."""
        ...

    def mend(self) -> int:
        """Catalogue the pictures that queries do not find; how many there were."""
        ...

    def backup(self, destination: Path) -> tuple[int, int]:
        """Copy everything to a folder while others may write; the number of files and their bytes. Opening it is restoring."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
