"""The options of commands that write pictures: in which format, and how well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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


def written(drawn: Drawn, out: Path, form: Form) -> Path | None:
    """The file of a picture, written into a folder; None where it failed."""
    if drawn.record.failed:
        return None
    return write(out / file_name(drawn.recipe, form.ending), encoded(drawn.png, form))
