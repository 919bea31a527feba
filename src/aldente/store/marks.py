"""What users say of pictures: tags, a rating, a note and what is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select, update

from aldente.engine.errors import UserError
from aldente.store.catalogue import folded, renew
from aldente.store.rows import joined, plain, records
from aldente.store.statements import add_new
from aldente.store.tables import images, tags

LONGEST_TAG, LONGEST_NOTE = 100, 10_000
_TAG = re.compile(r"[^\s\"()=<>~!,]+")


def tag_of(said: str) -> str:
    """The tag that a user means: in small letters, without leading signs of plus.

    Raises UserError for what a query could not ask for.
    """
    tag = folded(said.strip().lstrip("+"))
    if not _TAG.fullmatch(tag) or len(tag) > LONGEST_TAG:
        raise UserError(
            f"tag '{said}' cannot be one; a tag is one word of at most {LONGEST_TAG} signs "
            "without spaces, commas, brackets and = < > ~ !"
        )
    return tag


def mark(
    connection: Connection, record_id: str, *, add: Sequence[str], remove: Sequence[str], facts: Mapping[str, str | int | None]
) -> None:
    """Add and remove tags of a record and set those of rating, note and category that are given; 0 and '' take them back."""
    rating, note = facts.get("rating"), facts.get("note")
    if rating is not None and rating not in range(6):
        raise UserError(f"rating is {rating}; it must be from 1 to 5, or 0 to take it back.")
    if isinstance(note, str) and len(note) > LONGEST_NOTE:
        raise UserError(f"the note has {len(note)} signs; at most {LONGEST_NOTE} can be kept.")
    at = connection.execute(select(images.c.at).where(images.c.id == record_id)).scalar_one()
    added = [{"at": at, "tag": tag_of(tag)} for tag in add]
    removed = [tag_of(tag) for tag in remove]
    connection.execute(delete(tags).where(tags.c.at == at, tags.c.tag.in_(removed)))
    add_new(connection, tags, added)
    said = {name: plain(value) if isinstance(value, str) else value for name, value in facts.items() if value is not None}
    if not said:
        return
    connection.execute(update(images).where(images.c.at == at).values({name: value or None for name, value in said.items()}))
    (record,) = records(connection, joined().where(images.c.at == at))
    renew(connection, record, at)
