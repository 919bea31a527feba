"""``aldente samplers``."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.engine.samplers import samplers
from aldente.interface.console import emit, table


def command(as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False) -> None:
    """List the samplers, their names elsewhere and what they cost."""
    facts = [
        {
            "name": info.name,
            "title": info.title,
            "aliases": list(info.aliases),
            "order": info.order,
            "calls_per_step": info.calls_per_step,
            "stochastic": info.stochastic,
            "converges": info.converges,
            "default_schedule": info.schedule,
            "options": list(info.options),
        }
        for info in samplers()
    ]
    if as_json:
        emit(facts)
        return
    rows = [
        (
            info.name,
            info.title,
            str(info.order) if info.converges else "-",
            str(info.calls_per_step) if not info.whole else "adaptive",
            "adds noise" if info.stochastic else "",
            info.schedule,
            ", ".join(info.options),
        )
        for info in samplers()
    ]
    table(("name", "in A1111", "order", "calls", "", "schedule", "options"), rows)
