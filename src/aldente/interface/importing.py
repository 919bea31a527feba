"""``aldente import``: pictures of other programs, with their recipes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, say
from aldente.store import open_store
from aldente.studio.importing import Imported, pictures_in, take_in


def command(
    places: Annotated[list[Path], typer.Argument(help="Pictures, or folders with pictures: PNG, JPEG, WebP, AVIF.")],
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Take in pictures of A1111, Forge, ComfyUI, InvokeAI and SwarmUI; exit code 1 where a file could not be read."""
    files = pictures_in(places)
    done: list[Imported] = []
    with open_store(store) as opened:
        for one in take_in(opened, files):
            done.append(one)
            if not as_json:
                _tell(one)
    counts = Counter(one.state for one in done)
    if as_json:
        emit([one.model_dump(mode="json", exclude_none=True) for one in done])
    else:
        say(
            ", ".join(f"{counts[state]} {state}" for state in ("kept", "known", "silent", "refused") if counts[state])
            or "no pictures there"
        )
    if counts["refused"]:
        raise typer.Exit(1)


def _tell(one: Imported) -> None:
    id_ = (one.id or "")[:8]
    said = {"kept": f"{id_} by {one.program or 'aldente'}", "known": one.why or f"is {id_} already"}
    say(f"{one.file}: {said.get(one.state, one.why)}")
    if one.state == "kept" and one.unmapped:
        say("  not mapped: " + "; ".join(f"{key}: {value}" for key, value in one.unmapped.items()))
