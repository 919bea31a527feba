"""``aldente export``: what a query asks for as a table or a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, say
from aldente.store import open_store
from aldente.studio.exporting import export


def command(
    query: Annotated[
        list[str] | None, typer.Argument(help="What to ask for, as in 'aldente history'; nothing is everything.")
    ] = None,
    to: Annotated[
        list[Path], typer.Option("--to", help="A file: .csv, .jsonl, .parquet, or .png for a contact sheet. May be repeated.")
    ] = [],  # noqa: B006
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=1, help="How many at most, the newest first.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Write the pictures that a query asks for as a table (CSV, JSON lines, Parquet) or a contact sheet (PNG)."""
    if not to:
        raise typer.BadParameter("give at least one file: --to pictures.csv")
    written: list[str] = []
    with open_store(store) as opened:
        for path in to:
            paths, count = export(opened, " ".join(query or ()), path, limit=limit)
            written += [str(one) for one in paths]
    if as_json:
        emit({"pictures": count, "files": written})
    else:
        say(f"{count} pictures: {' '.join(written)}")
