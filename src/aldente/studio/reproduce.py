"""Making a picture again and saying how near it came, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.quality.reference import psnr
from aldente.recipe.infotext import recipe_from_infotext
from aldente.recipe.recipe import Recipe
from aldente.recipe.value import Value
from aldente.store.encodings import read_embedded, read_pixels
from aldente.store.files import suffix_of
from aldente.store.record import Provenance, Record, image_hash
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.grid_files import PLAN
from aldente.studio.workbench import Workbench

NEAR_DB = 40.0
"""From this peak signal-to-noise ratio up a picture is called near: no eye tells the two apart side by side."""


class Original(Value):
    """What there was: the recipe, where it was found, what could not be read of it, and the record if the store has one.

    A ``lossy`` file holds other pixels than were drawn.
    """

    recipe: Recipe
    source: str
    unmapped: dict[str, str] = Field(default_factory=dict)
    record: Record | None = None
    model_fingerprint: str | None = None
    lossy: bool = False


class Reproduction(Value):
    """How the new picture compares: the verdict, the PSNR in dB (None when bit-exact), and the reasons."""

    verdict: Literal["bit-exact", "near", "different"]
    psnr_db: float | None
    why: tuple[str, ...]
    recipe: Recipe


def reproduce(bench: Workbench, what: str) -> tuple[Reproduction, Drawn]:
    """Make the picture in a file, or of a record's id, again: the comparison and the new drawing.

    Raises UserError when there is no such picture, when it says nothing of its recipe, or when the recipe fails now.
    """
    original, image = find_original(bench, what)
    (drawn,) = draw(bench, [original.recipe], Order(again=True))
    if drawn.record.failed:
        raise UserError(f"{what}: its recipe cannot be drawn here: {drawn.record.failed}")
    return compare(original, image, drawn), drawn


def find_original(bench: Workbench, what: str) -> tuple[Original, Image]:
    """The recipe and the picture in a file (PNG, JPEG, WebP or AVIF), or of the record whose id begins with ``what``."""
    path = Path(what)
    if not path.exists():
        if path.suffix:
            raise UserError(f"{what}: there is no such file; give a picture or the beginning of an id from 'aldente history'.")
        record = bench.store.get(what)
        return Original(recipe=record.recipe, source="the store", record=record), read_pixels(bench.store.image_bytes(record))
    embedded, image = read_embedded(path), read_pixels(path)
    records = bench.store.by_image(image_hash(image))
    known = records[0] if records else None
    lossy = known is None and suffix_of(path.read_bytes()) != "png"
    if embedded.recipe is not None:
        by = embedded.model_fingerprint
        return Original(
            recipe=embedded.recipe, source="the file's recipe", record=known, model_fingerprint=by, lossy=lossy
        ), image
    if PLAN in embedded.texts:
        raise UserError(f"{what}: this is a sheet of many pictures; give one of its cells, which lie in 'cells' beside it.")
    if embedded.infotext is None:
        raise UserError(f"{what}: the file says nothing about how it was made.")
    recipe, unmapped = recipe_from_infotext(embedded.infotext)
    return Original(recipe=recipe, source="the file's infotext", unmapped=unmapped, record=known, lossy=lossy), image


def compare(original: Original, image: Image, drawn: Drawn) -> Reproduction:
    """The verdict on the new picture, and what may explain a difference."""
    new = drawn.image
    if new.shape == image.shape and np.array_equal(new, image):
        return Reproduction(verdict="bit-exact", psnr_db=None, why=(), recipe=original.recipe)
    why = list(_changes(original, drawn))
    if new.shape != image.shape:
        why.append(f"the size was {image.shape[1]}x{image.shape[0]} and is {new.shape[1]}x{new.shape[0]}")
        return Reproduction(verdict="different", psnr_db=None, why=tuple(why), recipe=original.recipe)
    ratio = float(psnr(image, new))
    verdict: Literal["near", "different"] = "near" if ratio >= NEAR_DB else "different"
    return Reproduction(verdict=verdict, psnr_db=ratio, why=tuple(why), recipe=original.recipe)


def _changes(original: Original, drawn: Drawn) -> list[str]:
    """What is not as it was, in words."""
    changes = [f"'{key}: {value}' has no counterpart here" for key, value in original.unmapped.items()]
    if original.lossy:
        changes.append("the file is of a format that keeps pixels only nearly")
    new = drawn.record.provenance
    if original.record is None:
        if original.model_fingerprint not in (None, new.model_fingerprint):
            changes.append(f"the model's weights were {original.model_fingerprint} and are {new.model_fingerprint}")
        return [*changes, "the store does not know the original: what program and machine made it cannot be told"]
    old = original.record.provenance
    compared = [name for name in Provenance.model_fields if name != "created"]
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in compared)
    changes += [f"{name} was {was} and is {is_}" for name, was, is_ in pairs if was != is_]
    return changes or ["nothing that is recorded has changed; the machine's arithmetic may have"]
