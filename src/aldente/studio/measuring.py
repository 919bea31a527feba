"""What is measured of every picture when it is kept, and of those in the store when somebody asks: signs and categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aldente.engine.errors import unknown
from aldente.models.port import Image
from aldente.quality.metric import Sign
from aldente.quality.table import SIGNS
from aldente.recipe.value import Value
from aldente.store.encodings import read_pixels
from aldente.store.port import Store
from aldente.store.record import ALWAYS_MEASURED, Record, Score
from aldente.studio.recognising import Categories

MOST_PX = 1024 * 1024
"""Larger pictures are not measured while they are drawn: it would take seconds."""


class Measured(Value):
    """What was found of a picture: its category, if it had none, and the signs that it had no values of."""

    id: str
    category: str | None
    signs: dict[str, float]


def usual_scores(image: Image) -> tuple[Score, ...]:
    """The signs that every picture is measured by as it is kept (uint8, h w 3); nothing for very large ones."""
    if image.shape[0] * image.shape[1] > MOST_PX:
        return ()
    return scores_of(image, find_signs(ALWAYS_MEASURED))


def scores_of(image: Image, signs: Sequence[Sign]) -> tuple[Score, ...]:
    """What signs say of a picture."""
    return tuple(Score(metric=sign.name, version=str(sign.version), value=float(sign.compute(image))) for sign in signs)


def find_signs(names: Sequence[str] = ()) -> tuple[Sign, ...]:
    """The signs of these names, or all; raises UserError for a name that no sign has."""
    known = {sign.name: sign for sign in SIGNS}
    for name in names:
        if name not in known:
            raise unknown("sign", name, known)
    return tuple(known[name] for name in names) or SIGNS


def measure(store: Store, records: Sequence[Record], signs: Sequence[Sign]) -> Iterator[Measured]:
    """Find out what is not known yet of pictures in the store, and keep it; only of those where something was missing."""
    categories = Categories()
    for record in records:
        if record.failed is not None:
            continue
        there = {(score.metric, score.version) for score in record.quality}
        missing = [sign for sign in signs if (sign.name, str(sign.version)) not in there]
        found = scores_of(read_pixels(store.image_bytes(record)), missing) if missing else ()
        category = categories.of(record.recipe) if record.category is None else None
        if found:
            store.add_scores(record.id, found)
        if category is not None:
            store.mark(record.id, category=category)
        if found or category is not None:
            yield Measured(id=record.id, category=category, signs={score.metric: score.value for score in found})
