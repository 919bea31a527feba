"""``aldente generate``: pictures from a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from aldente.interface.console import emit, progress, tell
from aldente.interface.forms import FormatOption, OutOption, Place, QualityOption, all_written
from aldente.interface.options import JsonOption, Settings, StoreOption, recipe_options
from aldente.recipe.recipe import Recipe
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.files import folder
from aldente.studio.forecast import forecast
from aldente.studio.forms import form_of
from aldente.studio.request import is_random, resolve, series
from aldente.studio.workbench import Workbench, open_workbench

PresetOption = Annotated[
    str | None, typer.Option("--preset", help="Start from a preset: see 'aldente presets'; 'auto' picks one.")
]
DynamicOption = Annotated[bool, typer.Option("--dynamic", help="Braces and wildcards are choices: 'a {red|blue} __fruit__'.")]
CombinationsOption = Annotated[bool, typer.Option("--combinations", help="With --dynamic: all choices, not one.")]
WildcardsOption = Annotated[
    list[Path] | None, typer.Option("--wildcards", help="With --dynamic: a folder of lists. [default: wildcards]")
]


@recipe_options
def command(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures; their seeds count up.")] = 1,
    out: OutOption = Path("out"),
    format: FormatOption = "png",
    quality: QualityOption = None,
    preset: PresetOption = None,
    store: StoreOption = None,
    again: Annotated[bool, typer.Option("--again", help="Draw even what the store has.")] = False,
    dynamic: DynamicOption = False,
    combinations: CombinationsOption = False,
    wildcards: WildcardsOption = None,
    as_json: JsonOption = False,
    *,
    settings: Settings,
) -> None:
    """Draw pictures from a prompt."""
    form = form_of(format, quality)
    bench = open_workbench(store)
    recipes = _recipes(bench, prompt, settings, preset, Variety(count, dynamic or combinations, combinations, wildcards))
    if is_random(settings.get("seed", "random")):
        tell(f"seed {recipes[0].seed}")
    cost = forecast(bench, recipes)
    tell(cost.sentence())
    folder(out)
    with progress("drawing", cost.calls, quiet=as_json) as bar:
        order, note = Order(preset=preset, again=again), None if bar is None else bar.note
        pictures = draw(bench, recipes, order, watch=bar, note=note)
        made, stopped = all_written(pictures, Place(out, form), None if as_json else _line)
    if as_json:
        emit([_facts(drawn, path) for drawn, path in made])
    if stopped:
        tell(f"stopped; {len(made)} of {len(recipes)} pictures are kept. The same command with the same seed goes on.")
        raise typer.Exit(130)
    if any(drawn.record.failed for drawn, _ in made):
        raise typer.Exit(1)


class Variety(NamedTuple):
    """How many pictures of a prompt, and whether its braces and wildcards are choices."""

    pictures: int
    dynamic: bool
    combinations: bool
    wildcards: list[Path] | None


def _recipes(bench: Workbench, prompt: str, settings: Settings, preset: str | None, variety: Variety) -> list[Recipe]:
    """The recipes that the command asks for."""

    def resolved(text: str) -> Recipe:
        asked = {"seed": "random", **settings, "prompt": text}
        return resolve(bench, asked, preset=preset, listen=tell, finished=True)

    if not variety.dynamic:
        return series(resolved(prompt), variety.pictures)
    from aldente.studio.prompts import wildcards_of, with_variety  # noqa: PLC0415  # a parser, for these only

    lists = wildcards_of(variety.wildcards)
    return with_variety(prompt, variety.pictures, resolved, lists, combinations=variety.combinations)


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
