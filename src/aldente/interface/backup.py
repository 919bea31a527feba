"""``aldente backup``: a copy of the store, made while it is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, say
from aldente.store import open_store


def command(
    destination: Annotated[Path, typer.Argument(help="The folder to copy to; a second time only new files are copied.")],
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Copy the database as of one moment, and every file that it names; --store DESTINATION opens the copy."""
    with open_store(store) as opened:
        count, size = opened.backup(destination)
    if as_json:
        emit({"destination": str(destination), "files": count, "bytes": size})
    else:
        say(f"{count} files, {size / 2**20:.1f} MiB; open it: aldente history --store {destination}")
