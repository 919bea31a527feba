"""``aldente measure``: signs and categories of pictures that the store has, so that queries find them."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.interface.console import emit, say
from aldente.interface.options import JsonOption, StoreOption
from aldente.store import open_store
from aldente.studio.exporting import records
from aldente.studio.measuring import find_signs, measure


def command(
    query: Annotated[
        list[str] | None, typer.Argument(help="What to measure, as in 'aldente history'; nothing is everything.")
    ] = None,
    signs: Annotated[
        str | None, typer.Option("--signs", help="Which signs: 'blown,sharpness' ... see the metrics. [default: all]")
    ] = None,
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=1, help="How many at most, the newest first.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what is not known yet: the category of each prompt, and the signs of flaws in each picture."""
    asked = find_signs([name.strip() for name in signs.split(",") if name.strip()] if signs else [])
    with open_store(store) as opened:
        chosen = list(records(opened, " ".join(query or ()), limit))
        found = []
        for one in measure(opened, chosen, asked):
            found.append(one)
            if not as_json:
                say(f"{one.id[:8]}: {', '.join((*([one.category] if one.category else []), *_shown(one.signs)))}")
    if as_json:
        emit([one.model_dump(mode="json", exclude_none=True) for one in found])
    else:
        say(f"{len(found)} of {len(chosen)} pictures were measured; of the others everything was known")


def _shown(signs: dict[str, float]) -> list[str]:
    return [f"{name} {value:.3g}" for name, value in signs.items()]
