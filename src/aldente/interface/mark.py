"""``aldente mark``: tags, a rating, a note on pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say
from aldente.store import open_store
from aldente.store.record import Record


def command(
    what: Annotated[str, typer.Argument(help="The beginning of an id from 'aldente history'.")],
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add (+hero) and to remove (-draft).")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", help="A tag to remove; '-draft' is short for it.")] = None,
    rating: Annotated[int | None, typer.Option("--rating", help="From 1 to 5; 0 takes it back.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="A note; '' takes it back.")] = None,
    category: Annotated[str | None, typer.Option("--category", help="What it is a picture of; '' takes it back.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Tag, rate and annotate a picture: aldente mark 1a2b3c4d +hero -draft --rating 4."""
    if not (tags or untag) and (rating, note, category) == (None, None, None):
        raise UserError("nothing to mark: give +tag, -tag, --rating, --note or --category.")
    with open_store(store) as opened:
        record = opened.mark(what, add=tags or (), remove=untag or (), rating=rating, note=note, category=category)
    if as_json:
        emit(record.model_dump(mode="json", exclude_none=True))
        return
    said = marks_of(record)
    say(f"{record.id[:8]}: {'; '.join(f'{name} {value}' for name, value in said.items()) or 'nothing is said of it'}")


def marks_of(record: Record) -> dict[str, str]:
    """What a user said of a picture, by name."""
    said = {
        "tags": " ".join(record.tags),
        "rating": str(record.rating or ""),
        "note": record.note or "",
        "category": record.category or "",
    }
    return {name: value for name, value in said.items() if value}


def with_untags(arguments: list[str]) -> list[str]:
    """The command line with '-draft' written as '--untag=draft'."""
    return [
        f"--untag={argument[1:]}" if len(argument) > 2 and argument[0] == "-" and argument[1] not in "-0123456789" else argument
        for argument in arguments
    ]
