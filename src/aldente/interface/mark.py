"""``aldente mark``: tags, a rating, a note on pictures, and which of two is better."""

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
    better_than: Annotated[
        list[str] | None, typer.Option("--better-than", help="A picture that this one is better than; may be given again.")
    ] = None,
    forget_vote: Annotated[
        list[str] | None, typer.Option("--forget-vote", help="A picture: which of the two is better is taken back.")
    ] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Tag, rate and annotate a picture, or vote: aldente mark 1a2b3c4d +hero -draft --rating 4 --better-than 5e6f7a8b."""
    voted = better_than or forget_vote
    if not (tags or untag or voted) and (rating, note, category) == (None, None, None):
        raise UserError("nothing to mark: give +tag, -tag, --rating, --note, --category or --better-than.")
    with open_store(store) as opened:
        for other in better_than or ():
            opened.vote(what, other)
        for other in forget_vote or ():
            opened.forget_vote(what, other)
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
        "votes": f"{record.wins} won, {record.losses} lost" if record.wins or record.losses else "",
    }
    return {name: value for name, value in said.items() if value}


def with_untags(arguments: list[str]) -> list[str]:
    """The command line with '-draft' written as '--untag=draft'."""
    return [
        f"--untag={argument[1:]}" if len(argument) > 2 and argument[0] == "-" and argument[1] not in "-0123456789" else argument
        for argument in arguments
    ]
