"""Votes in the database: of two pictures one is better; the last word on a pair stands."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from aldente.engine.errors import UserError
from aldente.store.catalogue import renew_votes
from aldente.store.record import Record, now
from aldente.store.rows import CHUNK, vote_counts
from aldente.store.statements import add_new
from aldente.store.tables import images, votes


def vote(connection: Connection, better: Record, worse: Record) -> None:
    """Note that one picture is better than another, in place of what was said of the two before.

    Raises UserError for a picture and itself, and for what was never drawn.
    """
    if better.id == worse.id:
        raise UserError(f"picture {better.id[:8]} cannot be better than itself; name two pictures.")
    for record in (better, worse):
        if record.failed is not None:
            raise UserError(f"picture {record.id[:8]} failed, so there is nothing to vote on: {record.failed}")
    connection.execute(delete(votes).where(_pair(better.id, worse.id)))
    add_new(connection, votes, [{"better": better.id, "worse": worse.id, "created": now()}])
    _recount(connection, better.id, worse.id)


def forget(connection: Connection, one: Record, other: Record) -> None:
    """Take back what was said of two pictures. Raises UserError where nothing was."""
    if not connection.execute(delete(votes).where(_pair(one.id, other.id))).rowcount:
        raise UserError(f"there is no vote on {one.id[:8]} and {other.id[:8]} to take back.")
    _recount(connection, one.id, other.id)


def between(connection: Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
    """All votes (better, worse) whose pictures are both among ``ids``, the oldest first."""
    wanted = set(ids)
    found: list[tuple[str, str, str]] = []
    for start in range(0, len(ids), CHUNK):
        query = select(votes).where(votes.c.better.in_(ids[start : start + CHUNK]))
        found += [(row.created, row.better, row.worse) for row in connection.execute(query) if row.worse in wanted]
    return [(better, worse) for _, better, worse in sorted(found)]


def _pair(one: str, other: str) -> ColumnElement[bool]:
    return or_(
        and_(votes.c.better == one, votes.c.worse == other),
        and_(votes.c.better == other, votes.c.worse == one),
    )


def _recount(connection: Connection, *ids: str) -> None:
    counted = vote_counts(connection, ids)
    places = connection.execute(select(images.c.id, images.c.at).where(images.c.id.in_(ids)))
    for row in places:
        renew_votes(connection, row.at, *counted.get(row.id, (0, 0)))
