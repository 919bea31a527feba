"""The queue of projects: rows in the store's database, so that it survives whatever happens to a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import Field

from aldente.recipe.value import Value
from aldente.store.record import Instant

if TYPE_CHECKING:
    from aldente.store.sql_queue import SqlQueue

JobState = Literal["waiting", "running", "paused", "finished", "failed", "cancelled"]

OPEN: tuple[JobState, ...] = ("waiting", "running", "paused")
"""The states of jobs that are not over."""

LEASE_SECONDS = 15.0
"""How long a worker has a job after each sign of life."""

Alive = Callable[[str], bool]
"""Whether a worker may still be alive; one that surely is not loses its jobs before their lease is over."""


class Job(Value):
    """A project in the queue: what to draw (``spec``, JSON), how urgent it is, how far it is, and which worker has it."""

    id: str
    name: str
    spec: dict[str, Any]
    priority: int = 0
    position: int = 0
    state: JobState = "waiting"
    done: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0)
    seconds_left: float | None = None
    note: str = ""
    owner: str | None = None
    lease_until: Instant | None = None
    created: Instant
    started: Instant | None = None
    finished: Instant | None = None


class Progress(Value):
    """How far a job is: pictures done, of how many, and the seconds that the rest will take, if that can be told."""

    done: int = Field(ge=0)
    total: int = Field(ge=0)
    seconds_left: float | None = None


class Queue(Protocol):
    """Keeps jobs in the order of their priority, then of their position. A job is of one worker at a time.

    Every call is one short transaction; several processes may use a queue at once. Ids may be given by their beginning; those
    that are not there raise UserError.
    """

    def __enter__(self) -> Self:
        """The queue itself, to be closed at the end of a ``with``."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def add(self, name: str, spec: dict[str, Any], *, priority: int = 0) -> Job:
        """A new job, last of its priority."""
        ...

    def jobs(self, *, states: Sequence[JobState] = OPEN) -> list[Job]:
        """The jobs in these states, in the order in which they will be drawn."""
        ...

    def job(self, prefix: str) -> Job:
        """The job whose id begins with ``prefix``."""
        ...

    def claim(self, owner: str, *, seconds: float = LEASE_SECONDS, alive: Alive | None = None) -> Job | None:
        """The next job, now of ``owner`` for so many seconds; None where nothing waits.

        A running job waits again when its lease is over, or when its owner is surely not ``alive``.
        """
        ...

    def beat(self, job_id: str, owner: str, progress: Progress, *, seconds: float = LEASE_SECONDS) -> bool:
        """Renew the lease and tell how far the job is; whether it is still this owner's to draw (not paused, nor cancelled)."""
        ...

    def settle(self, job_id: str, owner: str, state: JobState, note: str = "") -> bool:
        """End an owner's hold on a running job, which is now finished, failed or waiting; whether it still had it."""
        ...

    def pause(self, prefix: str) -> Job:
        """The job, not to be drawn until it is resumed; a worker that draws it stops after its batch."""
        ...

    def resume(self, prefix: str) -> Job:
        """The job, waiting again; also one that failed or was cancelled."""
        ...

    def cancel(self, prefix: str) -> Job:
        """The job, not to be drawn any more; what is drawn stays in the store."""
        ...

    def move(self, prefix: str, *, before: str | None = None) -> Job:
        """The job before another one, or before all that wait."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


def open_queue(url: str | None = None, *, folder: Path | None = None) -> SqlQueue:
    """The queue in the store at ``url``; see ``open_store``. Raises UserError when it cannot be used."""
    # As for the store: who does not queue must not wait for the database library.
    from aldente.store.sql_queue import SqlQueue  # noqa: PLC0415

    return SqlQueue(url, folder=folder)
