"""``aldente show``: everything known about one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import emit, say, tell
from aldente.interface.mark import marks_of
from aldente.recipe.infotext import to_infotext
from aldente.store import open_store
from aldente.store.encodings import read_embedded, read_pixels
from aldente.store.port import Store
from aldente.store.record import Cost, Record, image_hash


def command(
    what: Annotated[str, typer.Argument(help="A picture, or the beginning of an id from 'aldente history'.")],
    save: Annotated[Path | None, typer.Option("--save", help="Write the picture to this file.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Tell everything known about a picture."""
    path = Path(what)
    with open_store(store) as opened:
        records = _of_file(path, opened) if path.is_file() else [opened.get(what)]
        if not records:
            _foreign(path, as_json=as_json)
            return
        if save is not None:
            _save(opened.image_bytes(records[0]), save)
        if as_json:
            emit([record.model_dump(mode="json", exclude_none=True) for record in records])
            return
        for record in records:
            _tell(record, opened)


def _of_file(path: Path, store: Store) -> list[Record]:
    """The records of a file's picture, or of the one that the file is a copy of."""
    image = read_pixels(path)
    same = store.by_image(image_hash(image))
    if same:
        return same
    from aldente.studio.copies import original_of  # noqa: PLC0415  # metrics, for copies only

    original = original_of(store, read_embedded(path), image)
    if original is not None:
        tell(f"{path} is a copy that keeps pixels only nearly; this is the picture itself:")
    return [] if original is None else [original]


def _save(content: bytes, path: Path) -> None:
    """Write a picture to a file, in the format that its name says."""
    from aldente.studio.files import write  # noqa: PLC0415
    from aldente.studio.forms import encoded, form_for  # noqa: PLC0415

    tell(str(write(path, encoded(content, form_for(path, content)))))


def _tell(record: Record, store: Store) -> None:
    provenance = record.provenance
    say(to_infotext(record.recipe, model_hash=provenance.model_fingerprint, version=f"aldente {provenance.aldente}"))
    say("")
    facts = {
        "id": record.id,
        "recipe": record.recipe_digest,
        "picture": record.image_hash or f"none: {record.failed}",
        "drawn": provenance.created,
        "cost": _cost(record.cost),
        "model": f"{provenance.model} {provenance.model_fingerprint[:16]}",
        "on": f"{provenance.runtime} {provenance.runtime_version}, {provenance.device}, {provenance.dtype}",
        "plan": record.plan,
        "study": record.study,
        "preset": record.preset,
        "made by": provenance.program and f"{provenance.program}, from {provenance.imported_from}",
        **marks_of(record),
        **{f"score of {score.metric}": f"{score.value:.6g}" for score in record.quality},
        "made from": " ".join(parent[:12] for parent in record.parents),
        "store": store.where,
    }
    for name, value in facts.items():
        if value:
            say(f"{name + ':':<9} {value}")
    say(f"Make it again: aldente reproduce {record.id[:8]}")


def _cost(cost: Cost) -> str:
    """What a picture cost, and which of its stages cost what where there are several."""
    whole = f"{cost.model_calls} model calls, {cost.seconds:.2f} s"
    if len(cost.stages) < 2:
        return whole
    return f"{whole} ({'; '.join(f'{s.stage}: {s.model_calls} calls, {s.seconds:.2f} s' for s in cost.stages)})"


def _foreign(path: Path, *, as_json: bool) -> None:
    """A picture that the store does not have tells what its file holds."""
    embedded = read_embedded(path)
    if as_json:
        emit(embedded.model_dump(mode="json", exclude_none=True))
        return
    say(f"{path}: {embedded.width}x{embedded.height}; the store does not have it.")
    say(embedded.infotext or "The file says nothing about how it was made.")
