"""Files that keep a picture only nearly (JPEG, WebP, AVIF): of which picture in the store they are copies, at what quality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aldente.models.port import Image
from aldente.quality.reference import psnr
from aldente.store.encodings import QUALITIES, Format, encode, read_pixels
from aldente.store.png import Embedded
from aldente.store.port import Store
from aldente.store.record import Record, image_hash

COPY_DB = 20.0
"""From this peak signal-to-noise ratio up a file with a picture's recipe is a copy of it; below, it was changed since."""

TRIED: Sequence[int] = (95, 90, 80, 100, 98, 92, 85, 75, 70, 60, 50)
"""The qualities that people choose."""

MOST_TRIED_PX = 4_000_000
"""Larger pictures are tried at the format's usual quality only: each takes seconds."""


def original_of(store: Store, embedded: Embedded, image: Image) -> Record | None:
    """The picture in the store of which a file is a copy: of the same recipe and weights, and near it."""
    if embedded.recipe_digest is None or embedded.model_fingerprint is None:
        return None
    record = store.find(embedded.recipe_digest, embedded.model_fingerprint)
    if record is None or not is_exact(record):
        return None
    exact = read_pixels(store.image_bytes(record))
    return record if exact.shape == image.shape and psnr(exact, image) >= COPY_DB else None


def known_of(store: Store, embedded: Embedded, image: Image) -> Record | None:
    """The record of a file's picture, or of the one that the file is a copy of."""
    same = store.by_image(image_hash(image))
    exact = [record for record in same if is_exact(record)]
    return exact[0] if exact else original_of(store, embedded, image) or (same[0] if same else None)


def is_exact(record: Record) -> bool:
    """Whether a record's picture is what its recipe drew, and no copy that was imported."""
    return record.provenance.imported_as is None


def quality_of(image: Image, copy: Image, format: Format) -> int | None:
    """The quality at which ``image`` in this format gives ``copy`` to the last bit; None where none that is tried does."""
    usual = QUALITIES[format]
    tried = (usual, *TRIED) if image.shape[0] * image.shape[1] <= MOST_TRIED_PX else (usual,)
    for quality in dict.fromkeys(tried):
        if np.array_equal(read_pixels(encode(image, format, quality)), copy):
            return quality
    return None
