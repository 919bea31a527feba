"""``aldente generate``: pictures from a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, progress, say, tell
from aldente.interface.options import Settings, recipe_options
from aldente.recipe.recipe import Recipe
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.files import file_name, folder, write
from aldente.studio.forecast import forecast
from aldente.studio.request import is_random, resolve, series
from aldente.studio.workbench import open_workbench


@recipe_options
def command(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures; their seeds count up.")] = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the PNG files.")] = Path("out"),
    preset: Annotated[
        str | None, typer.Option("--preset", help="Start from a preset: see 'aldente presets'; 'auto' picks one.")
    ] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Draw even what the store has.")] = False,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Braces and wildcards are choices: 'a {red|blue} __fruit__'.")
    ] = False,
    combinations: Annotated[bool, typer.Option("--combinations", help="With --dynamic: all choices, not one.")] = False,
    wildcards: Annotated[
        list[Path] | None, typer.Option("--wildcards", help="With --dynamic: a folder of lists. [default: wildcards]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Draw pictures from a prompt."""
    bench = open_workbench(store)

    def resolved(text: str) -> Recipe:
        asked = {"seed": "random", **settings, "prompt": text}
        return resolve(bench, asked, preset=preset, listen=tell, finished=True)

    if dynamic or combinations:
        from aldente.studio.prompts import wildcards_of, with_variety  # noqa: PLC0415  # a parser, for these only

        recipes = with_variety(prompt, count, resolved, wildcards_of(wildcards), combinations=combinations)
    else:
        recipes = series(resolved(prompt), count)
    if is_random(settings.get("seed", "random")):
        tell(f"seed {recipes[0].seed}")
    cost = forecast(bench, recipes)
    tell(cost.sentence())
    folder(out)
    made: list[tuple[Drawn, Path | None]] = []
    stopped = False
    try:
        with progress("drawing", cost.calls, quiet=as_json) as bar:
            for drawn in draw(
                bench, recipes, Order(preset=preset, again=again), watch=bar, note=None if bar is None else bar.note
            ):
                path = None if drawn.record.failed else write(out / file_name(drawn.recipe), drawn.png)
                made.append((drawn, path))
                if not as_json:
                    say(_line(drawn, path))
    except KeyboardInterrupt:
        stopped = True
    if as_json:
        emit([_facts(drawn, path) for drawn, path in made])
    if stopped:
        tell(f"stopped; {len(made)} of {len(recipes)} pictures are kept. The same command with the same seed goes on.")
        raise typer.Exit(130)
    if any(drawn.record.failed for drawn, _ in made):
        raise typer.Exit(1)


def _line(drawn: Drawn, path: Path | None) -> str:
    if path is None:
        return f"failed: seed {drawn.recipe.seed}: {drawn.record.failed}"
    how = "from the store" if drawn.reused else f"{drawn.record.cost.model_calls} calls, {drawn.record.cost.seconds:.2f} s"
    return f"{path}  ({how}; id {drawn.record.id[:8]})"


def _facts(drawn: Drawn, path: Path | None) -> dict[str, object]:
    record = drawn.record
    return {
        "file": None if path is None else str(path),
        "id": record.id,
        "failed": record.failed,
        "reused": drawn.reused,
        "image_hash": record.image_hash,
        "recipe": drawn.recipe.model_dump(mode="json", exclude_none=True),
        "recipe_digest": record.recipe_digest,
        "cost": record.cost.model_dump(mode="json"),
        "model_fingerprint": record.provenance.model_fingerprint,
    }
