"""``aldente models``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from aldente.interface.console import emit, table
from aldente.models.table import models


def command(as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False) -> None:
    """List the models."""
    facts = []
    for entry in models():
        info = asdict(entry.load(None).info)
        info.pop("sigmas")
        facts.append(info)
    if as_json:
        emit(facts)
        return
    rows = [
        (
            info["name"],
            info["title"],
            f"{info['size_min']} to {info['size_max']} px, multiples of {info['size_multiple']}",
            f"{info['sigma_min']:g} to {info['sigma_max']:g}",
            info["fingerprint"][:16],
        )
        for info in facts
    ]
    table(("name", "model", "sizes", "sigma", "fingerprint"), rows)
