"""``aldente reproduce``: a picture once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, say
from aldente.studio.files import write
from aldente.studio.forms import encoded, form_for
from aldente.studio.reproduce import reproduce
from aldente.studio.workbench import open_workbench


def command(
    what: Annotated[str, typer.Argument(help="A picture, or the beginning of an id from 'aldente history'.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the new picture to this file.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Make a picture again and say how near it comes."""
    result, drawn = reproduce(open_workbench(store), what)
    path = write(out, encoded(drawn.png, form_for(out, drawn.png))) if out is not None else None
    if as_json:
        emit({**result.model_dump(mode="json", exclude_none=True), "id": drawn.record.id, "file": path and str(path)})
    else:
        ratio = "" if result.psnr_db is None else f" ({result.psnr_db:.1f} dB)"
        say(f"{result.verdict}{ratio}")
        for reason in result.why:
            say(f"  {reason}")
        if path is not None:
            say(str(path))
    if result.verdict == "different":
        raise typer.Exit(1)
