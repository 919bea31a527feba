"""``aldente upscale``: pictures enlarged, and drawn again in tiles where asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aldente.interface.console import emit, progress, say, tell
from aldente.interface.forms import FormatOption, OutOption, QualityOption, written
from aldente.interface.options import Settings, recipe_options
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.files import folder
from aldente.studio.forecast import forecast
from aldente.studio.forms import form_of
from aldente.studio.request import resolve
from aldente.studio.workbench import open_workbench


@recipe_options
def command(
    pictures: Annotated[list[str], typer.Argument(help="Pictures: files, or ids from 'aldente history'.")],
    by: Annotated[float | None, typer.Option("--by", help="How many times larger. [default: 4]")] = None,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Draw the enlarged picture again in tiles; see --tile-denoise.")
    ] = False,
    prompt: Annotated[str, typer.Option("--prompt", help="What the tiles show.")] = "",
    out: OutOption = Path("out"),
    format: FormatOption = "png",
    quality: QualityOption = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Enlarge pictures."""
    form = form_of(format, quality)
    bench = open_workbench(store)
    asked: dict[str, Any] = {"seed": 0, "prompt": prompt, **settings}
    if by is not None or not {"upscale_by", "upscale_width", "upscale_height"} & settings.keys():
        asked["upscale_by"] = 4.0 if by is None else by
    if tiles:
        asked.setdefault("tile_mode", "blend")
    recipes = [resolve(bench, {**asked, "image": picture}) for picture in pictures]
    cost = forecast(bench, recipes)
    tell(cost.sentence())
    folder(out)
    made: list[tuple[Drawn, Path | None]] = []
    try:
        with progress("enlarging", cost.calls, quiet=as_json) as bar:
            for drawn in draw(bench, recipes, Order(), watch=bar, note=None if bar is None else bar.note):
                path = written(drawn, out, form)
                made.append((drawn, path))
                if not as_json:
                    say(f"failed: {drawn.record.failed}" if path is None else _line(drawn, path))
    except KeyboardInterrupt:
        kept = f"{len(made)} of {len(recipes)} pictures are kept{', and of a picture in tiles, the tiles' if tiles else ''}"
        tell(f"stopped; {kept}. The same command goes on.")
        raise typer.Exit(130) from None
    if as_json:
        emit([{"file": None if path is None else str(path), "id": d.record.id, "failed": d.record.failed} for d, path in made])
    if any(drawn.record.failed for drawn, _ in made):
        raise typer.Exit(1)


def _line(drawn: Drawn, path: Path) -> str:
    how = "from the store" if drawn.reused else f"{drawn.record.cost.seconds:.2f} s"
    return f"{path}  ({drawn.record.width} x {drawn.record.height}, {how}; id {drawn.record.id[:8]})"
