"""``aldente lineage``: what a picture was made from, and what from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say
from aldente.store import open_store
from aldente.store.encodings import read_pixels
from aldente.store.record import image_hash
from aldente.studio.lineage import drawn_tree, lineage


def command(
    what: Annotated[str, typer.Argument(help="A picture, or the beginning of an id from 'aldente history'.")],
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Tell what a picture was made from, what asked for it, and what was made from it, as a tree."""
    path = Path(what)
    with open_store(store) as opened:
        records = opened.by_image(image_hash(read_pixels(path))) if path.is_file() else [opened.get(what)]
        if not records:
            raise UserError(f"{what}: the store does not have this picture; take it in: aldente import {what}")
        tree = lineage(opened, records[0])
    if as_json:
        emit(tree.model_dump(mode="json", exclude_none=True))
    else:
        for line in drawn_tree(tree):
            say(line)
