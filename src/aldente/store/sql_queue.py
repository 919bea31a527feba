"""The queue in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Row, Select, and_, case, func, insert, or_, select, update

from aldente.engine.errors import UserError
from aldente.store.address import address
from aldente.store.connection import Database
from aldente.store.queue import LEASE_SECONDS, OPEN, Alive, Job, JobState, Progress
from aldente.store.queue_tables import jobs
from aldente.store.record import now
from aldente.store.schema import bring_up_to_date

_OVER: tuple[JobState, ...] = ("finished", "failed", "cancelled")

_TURNED: Mapping[JobState, str] = {"paused": "paused", "waiting": "resumed", "cancelled": "cancelled"}
"""What turning a job into a state is called."""


class SqlQueue:
    """A ``Queue`` on a database."""

    def __init__(self, url: str | None = None, *, folder: Path | None = None) -> None:
        self._database = Database(address(url, folder=folder))
        try:
            bring_up_to_date(self._database)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def add(self, name: str, spec: dict[str, Any], *, priority: int = 0) -> Job:
        """A new job, last of its priority."""
        with self._database.writing() as connection:
            last = connection.execute(select(func.max(jobs.c.position)).where(jobs.c.priority == priority)).scalar()
            job = Job(id=uuid.uuid4().hex, name=name, spec=spec, priority=priority, position=(last or 0) + 1, created=now())
            text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
            connection.execute(insert(jobs), [job.model_dump() | {"spec": text}])
        return job

    def jobs(self, *, states: Sequence[JobState] = OPEN) -> list[Job]:
        """The jobs in these states, in the order in which they will be drawn."""
        with self._database.reading() as connection:
            query = select(jobs).where(jobs.c.state.in_(states)).order_by(*_ORDER)
            return [_job(row) for row in connection.execute(query)]

    def job(self, prefix: str) -> Job:
        """The job whose id begins with ``prefix``; raises UserError when there is none, or more than one."""
        with self._database.reading() as connection:
            return _found(connection, prefix)

    def claim(self, owner: str, *, seconds: float = LEASE_SECONDS, alive: Alive | None = None) -> Job | None:
        """The next job, now of ``owner``; None where nothing waits."""
        moment = now()
        with self._database.writing() as connection:
            free = or_(jobs.c.owner.is_(None), jobs.c.lease_until < moment, jobs.c.id.in_(_orphans(connection, alive)))
            query = select(jobs).where(jobs.c.state.in_(("waiting", "running")), free).order_by(*_ORDER).limit(1)
            row = connection.execute(_locked(query)).one_or_none()
            if row is None:
                return None
            held = {"state": "running", "owner": owner, "lease_until": _after(moment, seconds), "note": ""}
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(**held, started=row.started or moment))
            return _found(connection, row.id)

    def beat(self, job_id: str, owner: str, progress: Progress, *, seconds: float = LEASE_SECONDS) -> bool:
        """Renew the lease and tell how far the job is; whether it is still this owner's to draw."""
        with self._database.writing() as connection:
            mine = update(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner)
            told = mine.values(**progress.model_dump(), lease_until=_after(now(), seconds))
            if connection.execute(told).rowcount == 0:
                return False
            return connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar() == "running"

    def settle(self, job_id: str, owner: str, state: JobState, note: str = "") -> bool:
        """End an owner's hold on a running job; whether it still had it. One that was paused meanwhile stays paused."""
        ended = now() if state in _OVER else None
        with self._database.writing() as connection:
            mine = and_(jobs.c.id == job_id, jobs.c.owner == owner)
            running = update(jobs).where(mine, jobs.c.state == "running")
            had = connection.execute(running.values(state=state, note=note, finished=ended)).rowcount > 0
            connection.execute(update(jobs).where(mine).values(owner=None, lease_until=None))
        return had

    def pause(self, prefix: str) -> Job:
        """The job, not to be drawn until it is resumed. Raises UserError for one that is over."""
        return self._turn(prefix, "paused", OPEN)

    def resume(self, prefix: str) -> Job:
        """The job, waiting again. Raises UserError for one that is finished."""
        return self._turn(prefix, "waiting", ("waiting", "paused", "failed", "cancelled"))

    def cancel(self, prefix: str) -> Job:
        """The job, not to be drawn any more. Raises UserError for one that is finished."""
        return self._turn(prefix, "cancelled", (*OPEN, "failed", "cancelled"))

    def move(self, prefix: str, *, before: str | None = None) -> Job:
        """The job before another one, or before all that wait: it takes the priority of the place."""
        with self._database.writing() as connection:
            moved = _found(connection, prefix)
            others = [_job(row) for row in connection.execute(select(jobs).where(jobs.c.state.in_(OPEN)).order_by(*_ORDER))]
            others = [job for job in others if job.id != moved.id]
            target = _found(connection, before) if before is not None else next(iter(others), moved)
            if before is not None and target.id not in {job.id for job in others}:
                why = "itself" if target.id == moved.id else f"{target.id[:8]}, which is {target.state}"
                raise UserError(f"job {moved.id[:8]} cannot be moved before {why}; `aldente queue list` shows what waits.")
            same = [job.id for job in others if job.priority == target.priority]
            place = same.index(target.id) if target.id in same else 0
            for position, job_id in enumerate([*same[:place], moved.id, *same[place:]], start=1):
                put = {"priority": target.priority, "position": position}
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(put))
            return _found(connection, moved.id)

    def _turn(self, prefix: str, state: JobState, allowed: Sequence[JobState]) -> Job:
        with self._database.writing() as connection:
            job = _found(connection, prefix)
            if job.state not in allowed:
                raise UserError(f"job {job.id[:8]} ({job.name}) is {job.state}; it cannot be {_TURNED[state]} any more.")
            ended = now() if state in _OVER else None
            # A worker keeps its name on the row until it has stopped, so that no other begins meanwhile.
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(state=state, finished=ended))
            return _found(connection, job.id)


_ORDER = (
    case((jobs.c.state.in_(_OVER), 1), else_=0),
    jobs.c.priority.desc(),
    jobs.c.position,
    jobs.c.created,
    jobs.c.id,
)


def _locked(query: Select[Any]) -> Select[Any]:
    """A row that no other process is just taking; SQLite lets one process write at a time anyway."""
    return query.with_for_update(skip_locked=True)


def _orphans(connection: Connection, alive: Alive | None) -> list[str]:
    """The jobs whose owners are surely dead."""
    if alive is None:
        return []
    query = select(jobs.c.id, jobs.c.owner).where(jobs.c.state.in_(("waiting", "running")), jobs.c.owner.is_not(None))
    return [row.id for row in connection.execute(query) if not alive(row.owner)]


def _found(connection: Connection, prefix: str) -> Job:
    sought = prefix.strip().lower()
    query = select(jobs).where(jobs.c.id >= sought, jobs.c.id < sought + "g").limit(2)
    rows = connection.execute(query).all() if sought else []
    if len(rows) != 1:
        why = "is the beginning of several ids; give more digits" if rows else "is not the id of a job"
        raise UserError(f"'{prefix}' {why}; `aldente queue list` lists them.")
    return _job(rows[0])


def _job(row: Row[Any]) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.model_fields if name != "spec"}, spec=json.loads(row.spec))


def _after(moment: str, seconds: float) -> str:
    return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).isoformat()
