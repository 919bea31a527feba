"""``aldente diagnose``: what is wrong with a picture, how that is seen, and what to change."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.interface.console import emit, progress, say, tell
from aldente.studio.diagnosis import Diagnosis, diagnose, open_case
from aldente.studio.forecast import forecast
from aldente.studio.workbench import open_workbench


def command(
    what: Annotated[str, typer.Argument(help="A PNG file, or the beginning of an id from 'aldente history'.")],
    redraw: Annotated[
        bool, typer.Option("--redraw/--no-redraw", help="Draw its recipe again at sane settings, to compare with.")
    ] = True,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Name a picture's likely flaws, with evidence and the change to try."""
    bench = open_workbench(store)
    case = open_case(bench, what, redraw=redraw)
    calls = 0
    if case.redraws:
        cost = forecast(bench, case.redraws)
        calls = cost.calls
        tell(f"Drawing it again to compare: {cost.sentence()}")
    with progress("drawing", calls, quiet=as_json or not calls) as watch:
        found = diagnose(bench, case, watch=watch)
    if as_json:
        emit(found.model_dump(mode="json", exclude_none=True))
    else:
        _print(found)


def _print(found: Diagnosis) -> None:
    for note in found.notes:
        say(f"note: {note}")
    if not found.findings:
        say(f"No flaw was found, judged {found.how}.")
        return
    say(f"Judged {found.how}:")
    for one in found.findings:
        say(f"  {one.sentence()}")
        say(f"    -> {one.change}")
    if found.command is not None:
        say(f"try: {found.command}")
