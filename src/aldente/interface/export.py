"""``aldente export``: what a query asks for as a table, a contact sheet or a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.engine.spelling import several
from aldente.interface.console import emit, say, tell
from aldente.store import open_store
from aldente.studio.exporting import export

TO_HELP = "A file: .csv, .jsonl, .parquet, .png for a contact sheet, .toml for a project. May be repeated."


def command(
    query: Annotated[
        list[str] | None, typer.Argument(help="What to ask for, as in 'aldente history'; nothing is everything.")
    ] = None,
    to: Annotated[list[Path], typer.Option("--to", help=TO_HELP)] = [],  # noqa: B006
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=1, help="How many at most, the newest first.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Write the pictures that a query asks for as a table, a contact sheet, or a project that draws them again."""
    if not to:
        raise typer.BadParameter("give at least one file: --to pictures.csv")
    written: list[str] = []
    notes: tuple[str, ...] = ()
    with open_store(store) as opened:
        for path in to:
            made = export(opened, " ".join(query or ()), path, limit=limit)
            written += [str(one) for one in made.files]
            count, notes = made.pictures, (*notes, *made.notes)
    if as_json:
        emit({"pictures": count, "files": written, **({"notes": notes} if notes else {})})
    else:
        for note in notes:
            tell(f"note: {note}")
        say(f"{several(count, 'picture')}: {' '.join(written)}")
