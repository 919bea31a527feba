"""``aldente history``: the pictures in the store."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say, table
from aldente.recipe.names import combined_title
from aldente.store import open_store
from aldente.store.entries import Filter
from aldente.store.record import Record


def command(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many at most.")] = 20,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Only where the prompt has these words.")] = None,
    sampler: Annotated[str | None, typer.Option("--sampler", help="Only of this sampler.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Only of this many steps.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Only of this seed.")] = None,
    before: Annotated[str | None, typer.Option("--before", help="The id of the last picture of the page before.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="What could not be drawn, and why.")] = False,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """List the pictures in the store, newest first."""
    only = Filter(prompt=prompt, sampler=_canonical(sampler), steps=steps, seed=seed)
    if failed and (only != Filter() or before is not None):
        raise UserError("--failed lists every failure: leave out --prompt, --sampler, --steps, --seed and --before.")
    with open_store(store) as opened:
        records = opened.failures(limit=limit) if failed else opened.history(limit=limit, before=before, only=only)
        if as_json:
            emit([record.model_dump(mode="json", exclude_none=True) for record in records])
            return
        if not records:
            say(f"Nothing yet in {opened.where}. Begin with: aldente generate 'a red apple, 3d render'")
            return
        table(("id", "when", "prompt", "sampler", "steps", "CFG", "seed", "size", "calls", "s"), [_row(r) for r in records])


def _canonical(sampler: str | None) -> str | None:
    from aldente.engine.samplers import find_sampler  # noqa: PLC0415  # NumPy, for this option only

    return None if sampler is None else find_sampler(sampler).name


def _row(record: Record) -> tuple[str, ...]:
    recipe, sampling = record.recipe, record.recipe.sampling
    return (
        record.id[:8],
        record.provenance.created[:16].replace("T", " "),
        recipe.prompt if record.failed is None else f"{recipe.prompt} -- {record.failed}",
        combined_title(f"{sampling.sampler} {sampling.schedule}"),
        str(sampling.steps),
        f"{sampling.guidance.scale:g}",
        str(recipe.seed),
        f"{record.width}x{record.height}",
        str(record.cost.model_calls),
        f"{record.cost.seconds:.2f}",
    )
