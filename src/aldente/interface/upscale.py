"""``aldente upscale``: pictures enlarged, and drawn again in tiles where asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aldente.interface.console import emit, progress, tell
from aldente.interface.forms import FormatOption, OutOption, Place, QualityOption, all_written
from aldente.interface.options import JsonOption, Settings, StoreOption, recipe_options
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.files import folder
from aldente.studio.forecast import forecast
from aldente.studio.forms import form_of
from aldente.studio.request import resolve
from aldente.studio.workbench import open_workbench

TilesOption = Annotated[bool, typer.Option("--tiles", help="Draw the enlarged picture again in tiles; see --tile-denoise.")]


@recipe_options
def command(
    pictures: Annotated[list[str], typer.Argument(help="Pictures: files, or ids from 'aldente history'.")],
    by: Annotated[float | None, typer.Option("--by", help="How many times larger. [default: 4]")] = None,
    tiles: TilesOption = False,
    prompt: Annotated[str, typer.Option("--prompt", help="What the tiles show.")] = "",
    out: OutOption = Path("out"),
    format: FormatOption = "png",
    quality: QualityOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    *,
    settings: Settings,
) -> None:
    """Enlarge pictures."""
    form = form_of(format, quality)
    bench = open_workbench(store)
    asked = _asked({"seed": 0, "prompt": prompt, **settings}, by, tiles=tiles)
    recipes = [resolve(bench, {**asked, "image": picture}) for picture in pictures]
    cost = forecast(bench, recipes)
    tell(cost.sentence())
    folder(out)
    with progress("enlarging", cost.calls, quiet=as_json) as bar:
        drawing = draw(bench, recipes, Order(), watch=bar, note=None if bar is None else bar.note)
        made, stopped = all_written(drawing, Place(out, form), None if as_json else _line)
    if stopped:
        kept = f"{len(made)} of {len(recipes)} pictures are kept{', and of a picture in tiles, the tiles' if tiles else ''}"
        tell(f"stopped; {kept}. The same command goes on.")
        raise typer.Exit(130)
    if as_json:
        emit([{"file": None if path is None else str(path), "id": d.record.id, "failed": d.record.failed} for d, path in made])
    if any(drawn.record.failed for drawn, _ in made):
        raise typer.Exit(1)


def _asked(settings: dict[str, Any], by: float | None, *, tiles: bool) -> dict[str, Any]:
    """The settings with how much larger, and that it is drawn again in tiles."""
    sized = {"upscale_by", "upscale_width", "upscale_height"} & settings.keys()
    larger = {} if by is None and sized else {"upscale_by": 4.0 if by is None else by}
    return {**({"tile_mode": "blend"} if tiles else {}), **settings, **larger}


def _line(drawn: Drawn, path: Path | None) -> str:
    if path is None:
        return f"failed: {drawn.record.failed}"
    how = "from the store" if drawn.reused else f"{drawn.record.cost.seconds:.2f} s"
    return f"{path}  ({drawn.record.width} x {drawn.record.height}, {how}; id {drawn.record.id[:8]})"
