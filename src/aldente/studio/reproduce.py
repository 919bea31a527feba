"""Making a picture again and saying how near it came, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.quality.reference import psnr
from aldente.recipe.infotext import recipe_from_infotext
from aldente.recipe.recipe import Recipe
from aldente.recipe.value import Value
from aldente.store.encodings import Format, read_embedded, read_pixels
from aldente.store.record import Provenance, Record, image_hash
from aldente.studio.copies import is_exact, known_of, quality_of
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.forms import format_of
from aldente.studio.grid_files import PLAN
from aldente.studio.workbench import Workbench

NEAR_DB = 40.0
"""From this peak signal-to-noise ratio up a picture is called near: no eye tells the two apart side by side."""


class Original(Value):
    """What there was: the recipe, where it was found, what could not be read of it, and the record if the store has one.

    A file of a format that keeps pixels only nearly is a ``copy`` in that format, ``record`` that of the picture itself.
    """

    recipe: Recipe
    source: str
    unmapped: dict[str, str] = Field(default_factory=dict)
    record: Record | None = None
    model_fingerprint: str | None = None
    copy_format: Format | None = None


class Reproduction(Value):
    """How the new picture compares: the verdict, the PSNR in dB (None when bit-exact), and the reasons."""

    verdict: Literal["bit-exact", "near", "different"]
    psnr_db: float | None
    why: tuple[str, ...]
    recipe: Recipe


def reproduce(bench: Workbench, what: str) -> tuple[Reproduction, Drawn]:
    """Make the picture in a file, or of a record's id, again: the comparison and the new drawing.

    A record whose file is lost or damaged has it again afterwards, if the same picture comes out.
    Raises UserError when there is no such picture, when it says nothing of its recipe, or when the recipe fails now.
    """
    lost = _lost(bench, what)
    if lost is not None:
        record, why = lost
        drawn = _again(bench, what, record.recipe)
        return _restored(record, why, drawn), drawn
    original, image = find_original(bench, what)
    drawn = _again(bench, what, original.recipe)
    return compare(original, image, drawn), drawn


def _again(bench: Workbench, what: str, recipe: Recipe) -> Drawn:
    (drawn,) = draw(bench, [recipe], Order(again=True))
    if drawn.record.failed:
        raise UserError(f"{what}: its recipe cannot be drawn here: {drawn.record.failed}")
    return drawn


def _lost(bench: Workbench, what: str) -> tuple[Record, str] | None:
    """The record of this id if it was drawn but its file cannot be read, and why not."""
    if Path(what).exists() or Path(what).suffix:
        return None
    record = bench.store.get(what)
    try:
        bench.store.image_bytes(record)
    except UserError as error:
        return None if record.failed else (record, str(error).partition(";")[0])
    return None


def _restored(record: Record, why: str, drawn: Drawn) -> Reproduction:
    """The verdict by the hash of the pixels alone, where these are lost."""
    if image_hash(drawn.image) == record.image_hash:
        whole = (why, "the store has the file again: its pixels are those that were recorded")
        return Reproduction(verdict="bit-exact", psnr_db=None, why=whole, recipe=record.recipe)
    original = Original(recipe=record.recipe, source="the store", record=record)
    said = (why, "another picture comes out now: restore the file from a backup", *_changes(original, drawn))
    return Reproduction(verdict="different", psnr_db=None, why=said, recipe=record.recipe)


def find_original(bench: Workbench, what: str) -> tuple[Original, Image]:
    """The recipe and the picture in a file (PNG, JPEG, WebP or AVIF), or of the record whose id begins with ``what``."""
    path = Path(what)
    if not path.exists():
        if path.suffix:
            raise UserError(f"{what}: there is no such file; give a picture or the beginning of an id from 'aldente history'.")
        record = bench.store.get(what)
        content = bench.store.image_bytes(record)
        return Original(recipe=record.recipe, source="the store", record=record, **_copy(content)), read_pixels(content)
    embedded, image = read_embedded(path), read_pixels(path)
    facts: dict[str, Any] = {"record": known_of(bench.store, embedded, image), **_copy(path.read_bytes())}
    if embedded.recipe is not None:
        facts["model_fingerprint"] = embedded.model_fingerprint
        return Original(recipe=embedded.recipe, source="the file's recipe", **facts), image
    if PLAN in embedded.texts:
        raise UserError(f"{what}: this is a sheet of many pictures; give one of its cells, which lie in 'cells' beside it.")
    if embedded.infotext is None:
        raise UserError(f"{what}: the file says nothing about how it was made.")
    recipe, unmapped = recipe_from_infotext(embedded.infotext)
    return Original(recipe=recipe, source="the file's infotext", unmapped=unmapped, **facts), image


def _copy(content: bytes) -> dict[str, Any]:
    format_ = format_of(content)
    return {} if format_ == "png" else {"copy_format": format_}


def compare(original: Original, image: Image, drawn: Drawn) -> Reproduction:
    """The verdict on the new picture, and what may explain a difference."""
    new = drawn.image
    if new.shape == image.shape and np.array_equal(new, image):
        return Reproduction(verdict="bit-exact", psnr_db=None, why=(), recipe=original.recipe)
    if new.shape != image.shape:
        sizes = f"the size was {image.shape[1]}x{image.shape[0]} and is {new.shape[1]}x{new.shape[0]}"
        why = (*_changes(original, drawn), sizes)
        return Reproduction(verdict="different", psnr_db=None, why=why, recipe=original.recipe)
    ratio, proofs = float(psnr(image, new)), list(_proofs(original, image, drawn))
    verdict: Literal["near", "different"] = "near" if ratio >= NEAR_DB or proofs else "different"
    reasons = [] if original.copy_format is None else [f"{original.copy_format.upper()} keeps pixels only nearly"]
    reasons += proofs or _changes(original, drawn)
    return Reproduction(verdict=verdict, psnr_db=ratio, why=tuple(reasons), recipe=original.recipe)


def _proofs(original: Original, image: Image, drawn: Drawn) -> Iterator[str]:
    """What shows that the new picture is the one that a file is a copy of."""
    if original.copy_format is None:
        return
    record, name = original.record, original.copy_format.upper()
    if record is not None and is_exact(record) and record.image_hash == drawn.record.image_hash:
        yield f"the picture {record.id[:8]} in the store, of which it is a copy, is bit-exact"
    quality = quality_of(drawn.image, image, original.copy_format)
    if quality is not None:
        yield f"written as {name} at quality {quality}, the new picture is this one to the last bit"


def _changes(original: Original, drawn: Drawn) -> list[str]:
    """What is not as it was, in words."""
    changes = [f"'{key}: {value}' has no counterpart here" for key, value in original.unmapped.items()]
    new = drawn.record.provenance
    if original.record is None or original.record.provenance.imported_from is not None:
        if original.model_fingerprint not in (None, new.model_fingerprint):
            changes.append(f"the model's weights were {original.model_fingerprint} and are {new.model_fingerprint}")
        return [*changes, "the store does not know the original: what program and machine made it cannot be told"]
    old = original.record.provenance
    compared = [name for name in Provenance.model_fields if name != "created"]
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in compared)
    changes += [f"{name} was {was} and is {is_}" for name, was, is_ in pairs if was != is_]
    return changes or ["nothing that is recorded has changed; the machine's arithmetic may have"]
