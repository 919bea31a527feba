"""``aldente presets``: settings kept by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, say, table
from aldente.recipe.presets import Preset, find_preset, read_presets, write_toml
from aldente.store import open_store
from aldente.studio.files import read_text, write
from aldente.studio.presets import keep_preset, known_presets


def command(
    name: Annotated[
        str | None, typer.Argument(help="Tell all about this one; 'check' is short for --check --revalidate.")
    ] = None,
    export: Annotated[Path | None, typer.Option("--export", help="Write them (or the one named) to a TOML file.")] = None,
    add: Annotated[Path | None, typer.Option("--add", help="Keep the presets of a TOML or JSON file.")] = None,
    measured: Annotated[bool, typer.Option("--measured", help="Only those that were measured.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say which measured ones are out of date, and why.")] = False,
    revalidate: Annotated[
        bool, typer.Option("--revalidate", help="With --check: measure them again, on a few prompts.")
    ] = False,
    model: Annotated[str, typer.Option("--model", help="With --check: the model that they are for.")] = "pastina",
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """List the settings kept by name, folklore and measured."""
    if name == "check":
        name, check, revalidate = None, True, True
    with open_store(store) as opened:
        for preset in read_presets(read_text(add, "a TOML or JSON file of presets")) if add is not None else ():
            keep_preset(opened, preset)
        known = known_presets(opened)
    chosen = list(known.values()) if name is None else [find_preset(name, known)]
    if measured or (check and name is None):
        chosen = [preset for preset in chosen if preset.basis == "measured"]
    if check or revalidate:
        _check(chosen, store, model, again=revalidate, as_json=as_json)
        return
    if export is not None:
        say(str(write(export, write_toml(chosen))))
    elif as_json:
        emit([preset.model_dump(mode="json", exclude_none=True) for preset in chosen])
    elif name is not None:
        say(write_toml(chosen).rstrip())
    else:
        table(("name", "basis", "settings", "for", "what it is"), [_row(preset) for preset in chosen])


def _check(chosen: Sequence[Preset], store: str | None, model: str, *, again: bool, as_json: bool) -> None:
    """Say how measured presets stand; exit code 1 when one is out of date."""
    from aldente.studio.revalidation import standing_of  # noqa: PLC0415  # statistics, for this option only
    from aldente.studio.workbench import open_workbench  # noqa: PLC0415

    bench = open_workbench(store)
    loaded = bench.model(model)
    found = [standing_of(bench, preset, loaded, again=again) for preset in chosen]
    if as_json:
        emit([{**one.model_dump(mode="json", exclude_none=True), "fine": one.fine} for one in found])
    elif not found:
        say("No preset was measured yet: see 'aldente tune'.")
    else:
        for one in found:
            said = "; ".join(one.stale) or "nothing that it depends on has changed"
            say(f"{one.preset}: {'stale: ' if one.stale else ''}{said}")
            if one.again is not None:
                say(f"  {one.again.sentence}")
    if not all(one.fine for one in found):
        raise typer.Exit(1)


def _row(preset: Preset) -> tuple[str, ...]:
    settings = ", ".join(f"{name} {value}" for name, value in preset.settings.items())
    return (preset.name, preset.basis, settings, preset.category or preset.goal, preset.summary)
