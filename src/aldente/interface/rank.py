"""``aldente rank``: pictures, or settings, in the order that votes give them."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.interface.console import emit, table
from aldente.interface.options import JsonOption, StoreOption
from aldente.store import open_store
from aldente.studio.ranking import PICTURE, rank


def command(
    query: Annotated[
        list[str] | None, typer.Argument(help="Between which pictures, as in 'aldente history'; nothing is all.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="What to rank: pictures, or the settings of a parameter.")] = PICTURE,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank pictures, or the settings of a parameter, by the votes between them."""
    with open_store(store) as opened:
        found = rank(opened, " ".join(query or ()), by)
    if as_json:
        emit([one.model_dump() for one in found])
        return
    rows = [(one.name[:8] if by == PICTURE else one.name, f"{one.chance:.0%}", str(one.wins), str(one.losses)) for one in found]
    table((by, "wins against a middling one", "won", "lost"), rows)
