"""``aldente verify``: whether all that the store keeps is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.interface.console import emit, say, tell
from aldente.store import open_store


def command(
    mend: Annotated[bool, typer.Option("--mend", help="First catalogue again what queries do not find.")] = False,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Check every row and the hash of every file; exit code 1 where something is damaged."""
    with open_store(store) as opened:
        if mend and (count := opened.mend()):
            tell(f"{count} pictures were catalogued again")
        found = opened.verify()
    if as_json:
        emit(found.model_dump(mode="json"))
    else:
        for one in found.damage:
            say(f"{one.where}: {one.what}")
            say(f"  -> {one.advice}")
        verdict = f"{len(found.damage)} damaged" if found.damage else "all whole"
        say(f"{found.pictures} pictures, {found.files} files, {found.bytes / 2**20:.1f} MiB: {verdict}")
    if found.damage:
        raise typer.Exit(1)
