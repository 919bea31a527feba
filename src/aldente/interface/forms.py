"""The options of commands that write pictures: in which format, and how well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from aldente.interface.console import say
from aldente.studio.drawing import Drawn
from aldente.studio.files import file_name, write
from aldente.studio.forms import Form, encoded

FormatOption = Annotated[
    str, typer.Option("--format", metavar="png|jpeg|webp|avif", help="The files' format; the store keeps PNG, which is exact.")
]
QualityOption = Annotated[
    int | None,
    typer.Option("--quality", min=1, max=100, help="Of JPEG, WebP and AVIF. [default: 95, 90, 80]", show_default=False),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="The folder for the files.")]


class Place(NamedTuple):
    """Where pictures go: the folder, and how their files are written."""

    folder: Path
    form: Form


Made = list[tuple[Drawn, Path | None]]
"""Pictures with their files; those that failed have none."""


def all_written(pictures: Iterable[Drawn], place: Place, line: Callable[[Drawn, Path | None], str] | None) -> tuple[Made, bool]:
    """Write pictures as they come, telling a ``line`` of each: what was made, and whether Ctrl-C ended it."""
    made: Made = []
    try:
        for drawn in pictures:
            path = None if drawn.record.failed else _written(drawn, place)
            made.append((drawn, path))
            if line is not None:
                say(line(drawn, path))
    except KeyboardInterrupt:
        return made, True
    return made, False


def _written(drawn: Drawn, place: Place) -> Path:
    return write(place.folder / file_name(drawn.recipe, place.form.ending), encoded(drawn.png, place.form))
