"""``aldente schedules``."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.engine.schedules.table import schedules
from aldente.interface.console import emit, table


def command(as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False) -> None:
    """List the schedules and their names elsewhere."""
    facts = [
        {"name": info.name, "title": info.title, "aliases": list(info.aliases), "kind": info.kind, "options": info.options}
        for info in schedules()
    ]
    if as_json:
        emit(facts)
        return
    rows = [(info.name, info.title, info.kind, ", ".join(info.options), ", ".join(info.aliases)) for info in schedules()]
    table(("name", "in A1111", "made from", "options", "also called"), rows)
