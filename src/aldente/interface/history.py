"""``aldente history``: the pictures in the store that a query asks for."""

from __future__ import annotations

from typing import Annotated

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say, table
from aldente.recipe.names import combined_title
from aldente.store import open_store
from aldente.store.record import Record


def command(
    query: Annotated[
        list[str] | None,
        typer.Argument(help="What to ask for: 'steps>=20 and sampler~\"2M\" and tag:hero since 7d'. Quote it for the shell."),
    ] = None,
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
    """List the pictures in the store, newest first; all of them, or those that a query asks for."""
    asked = " ".join(query or ())
    shortcuts = {"prompt~": prompt, "sampler=": sampler, "steps=": steps, "seed=": seed}
    parts = [f"{name}{quoted(str(value))}" for name, value in shortcuts.items() if value is not None]
    if failed and (asked or parts or before is not None):
        raise UserError("--failed lists every failure that stands; ask for others by a query, such as 'has:error since 7d'.")
    whole = " and ".join([f"({asked})" if asked and parts else asked, *parts] if asked else parts)
    with open_store(store) as opened:
        records = opened.failures(limit=limit) if failed else opened.history(whole, limit=limit, before=before)
        if as_json:
            emit([record.model_dump(mode="json", exclude_none=True) for record in records])
        elif records:
            columns = ("id", "when", "prompt", "sampler", "steps", "CFG", "seed", "size", "calls", "s", "marks")
            table(columns, [_row(record) for record in records])
        elif whole:
            say(f"No picture in {opened.where} is like that.")
        else:
            say(f"Nothing yet in {opened.where}. Begin with: aldente generate 'a red apple, 3d render'")


def quoted(value: str) -> str:
    """A value for a query, whatever is in it."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def _row(record: Record) -> tuple[str, ...]:
    recipe, sampling = record.recipe, record.recipe.sampling
    marks = [*(["*" * record.rating] if record.rating else []), *record.tags]
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
        " ".join(marks),
    )
