"""``aldente diff``: two pictures, what was asked differently and what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import command_line, emit, say, table, tell
from aldente.store import open_store
from aldente.store.record import now
from aldente.studio.comparison import compared
from aldente.studio.comparison_files import lede, write_comparison


def command(
    a: Annotated[str, typer.Argument(help="A picture: a file, or the beginning of an id from 'aldente history'.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write both with a difference map: .html or .png.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Compare two pictures: parameters side by side (only what differs), costs, scores, and where the pixels differ."""
    with open_store(store) as opened:
        found = compared(opened, a, b)
    path = None if out is None else write_comparison(found, out, made=now()[:16].replace("T", " "), command=command_line())
    if as_json:
        rows = {"asked": found.asked, "came": found.came}
        facts = {name: [one.model_dump() for one in some] for name, some in rows.items()}
        emit({"identical": found.identical, **facts, "metrics": found.metrics, "file": path and str(path)})
        return
    say(lede(found))
    if rows_ := [(one.group, one.name, one.a or "-", one.b or "-") for one in (*found.asked, *found.came)]:
        table(("", "", f"A {found.a.name}", f"B {found.b.name}"), rows_)
    if path is not None:
        tell(str(path))
