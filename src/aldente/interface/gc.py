"""``aldente gc``: the files that nothing needs."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.interface.console import emit, say
from aldente.store import open_store


def command(
    remove: Annotated[bool, typer.Option("--remove", help="Remove them; without this they are only listed.")] = False,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Find the files that no picture and no recipe needs, and with --remove remove them."""
    with open_store(store) as opened:
        found = opened.sweep(remove=remove)
    if as_json:
        emit(found.model_dump(mode="json"))
        return
    for path in found.paths:
        say(path)
    count = f"{len(found.paths)} files, {found.bytes / 2**20:.1f} MiB"
    say(f"{count} {'removed' if remove else 'that nothing needs; remove them: aldente gc --remove'}")
