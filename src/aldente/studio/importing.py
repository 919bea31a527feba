"""Taking in pictures of other programs: their recipes as far as they can be read, and the files as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field

import aldente
from aldente.engine.errors import UserError
from aldente.recipe.foreign import Foreign, read_foreign
from aldente.recipe.value import Value
from aldente.store.encodings import SUFFIXES, Format, read_embedded, read_pixels
from aldente.store.png import Embedded
from aldente.store.port import Store
from aldente.store.record import Cost, Provenance, now, picture
from aldente.studio.copies import original_of
from aldente.studio.forms import format_of
from aldente.studio.measuring import usual_scores
from aldente.studio.recognising import Categories

OWN = "aldente"
UNKNOWN = "unknown"


class Imported(Value):
    """What became of a file: the record it is kept under, the program that made it, and what could not be mapped.

    A ``silent`` file says nothing of how it was made; a ``refused`` one cannot be read; ``why`` says more.
    """

    file: str
    state: Literal["kept", "known", "silent", "refused"]
    id: str | None = None
    program: str | None = None
    unmapped: dict[str, str] = Field(default_factory=dict)
    why: str | None = None


def pictures_in(places: Iterable[Path]) -> list[Path]:
    """The files that are named, and all pictures in the folders that are; raises UserError for a place that is not there."""
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise UserError(f"{place}: there is no such file or folder.")
        inside = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES) if place.is_dir() else [place]
        found += [path for path in inside if path.is_file()]
    return list(dict.fromkeys(found))


def take_in(store: Store, files: Iterable[Path]) -> Iterator[Imported]:
    """Keep each picture whose recipe can be read, one after the other; no file stops the others."""
    categories = Categories()
    for path in files:
        try:
            yield _one(store, path, categories)
        except UserError as error:
            yield Imported(file=str(path), state="refused", why=str(error).removeprefix(f"{path}: "))


def _one(store: Store, path: Path, categories: Categories) -> Imported:
    embedded = read_embedded(path)
    found = _found(embedded)
    if found is None:
        return Imported(file=str(path), state="silent", why="the file says nothing about how it was made")
    content, image = path.read_bytes(), read_pixels(path)
    program = None if found.program == OWN else found.program
    known = original_of(store, embedded, image) if format_of(content) != "png" else None
    if known is not None:
        why = f"is a copy of {known.id[:8]} as {format_of(content).upper()}"
        return Imported(file=str(path), state="known", id=known.id, unmapped=found.unmapped, why=why)
    provenance = _provenance(found, path, embedded, format_of(content))
    cost = Cost(model_calls=0, seconds=0.0)
    record = picture(found.recipe, image, cost=cost, provenance=provenance, quality=usual_scores(image))
    same = [one for one in store.by_image(str(record.image_hash)) if one.recipe_digest == record.recipe_digest]
    if same:
        return Imported(file=str(path), state="known", id=same[0].id, program=program, unmapped=found.unmapped)
    said = "; ".join(f"{key}: {value}" for key, value in found.unmapped.items())
    told = {"note": f"not mapped: {said}"[:10_000] if said else None, "category": categories.of(found.recipe)}
    stored = store.save(record.model_copy(update=told), content)
    return Imported(file=str(path), state="kept", id=stored.id, program=program, unmapped=found.unmapped)


def _found(embedded: Embedded) -> Foreign | None:
    if embedded.recipe is not None:
        return Foreign(program=OWN, recipe=embedded.recipe, model_hash=embedded.model_fingerprint)
    return read_foreign(embedded.texts)


def _provenance(found: Foreign, path: Path, embedded: Embedded, format: Format) -> Provenance:
    """Where a picture from elsewhere is from: what drew it is not known beyond what the file says."""
    ours, by = found.program == OWN, found.model_hash or UNKNOWN
    silent = ("runtime", "runtime_version", "device", "dtype", "python", "platform")
    return Provenance(
        aldente=embedded.aldente or aldente.__version__,
        engine=found.program,
        model=found.recipe.model,
        model_fingerprint=by if ours else f"{found.program}:{by}"[:200],
        created=_written(path),
        program=None if ours else found.program,
        imported_from=str(path.absolute()),
        imported_as=format if ours and format != "png" else None,
        threads=None,
        loras=None,
        **dict.fromkeys(silent, UNKNOWN),
    )


def _written(path: Path) -> str:
    """When a file was written last: when its picture was drawn, as far as can be told."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    except (OSError, OverflowError, ValueError):
        return now()
