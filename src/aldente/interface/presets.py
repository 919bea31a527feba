"""``aldente presets``: settings kept by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say, table
from aldente.recipe.presets import Preset, find_preset, read_presets, write_toml
from aldente.store import open_store
from aldente.studio.files import write
from aldente.studio.presets import keep_preset, known_presets


def command(
    name: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None,
    export: Annotated[Path | None, typer.Option("--export", help="Write them (or the one named) to a TOML file.")] = None,
    add: Annotated[Path | None, typer.Option("--add", help="Keep the presets of a TOML or JSON file.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """List the settings kept by name, folklore and measured."""
    with open_store(store) as opened:
        for preset in read_presets(_text(add)) if add is not None else ():
            keep_preset(opened, preset)
        known = known_presets(opened)
    chosen = list(known.values()) if name is None else [find_preset(name, known)]
    if export is not None:
        say(str(write(export, write_toml(chosen))))
    elif as_json:
        emit([preset.model_dump(mode="json", exclude_none=True) for preset in chosen])
    elif name is not None:
        say(write_toml(chosen).rstrip())
    else:
        table(("name", "basis", "settings", "for", "what it is"), [_row(preset) for preset in chosen])


def _row(preset: Preset) -> tuple[str, ...]:
    settings = ", ".join(f"{name} {value}" for name, value in preset.settings.items())
    return (preset.name, preset.basis, settings, preset.category or preset.goal, preset.summary)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give a TOML or JSON file of presets.") from error
