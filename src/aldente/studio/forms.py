"""Pictures as files of any format: what the store keeps, written anew with everything that is needed to make it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aldente.engine.errors import UserError
from aldente.store.encodings import ENDINGS, SUFFIXES, Format, Metadata, encode, find_format, read_embedded, read_pixels
from aldente.store.files import suffix_of

TRAINED = "trainedAlgorithmicMedia"


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a picture's file is written; ``quality`` is from 1 to 100, None for the format's usual one."""

    format: Format = "png"
    quality: int | None = None

    @property
    def ending(self) -> str:
        """What the file's name ends with."""
        return ENDINGS[self.format]


def form_of(format: str, quality: int | None = None) -> Form:
    """The form that a user asks for by a name such as ``jpg``.

    Raises UserError for an unknown one, a quality where nothing is lost, and a format that cannot be written here.
    """
    form = Form(format=find_format(format), quality=quality)
    if quality is not None and form.format == "png":
        raise UserError("PNG loses nothing, so it has no quality: leave --quality out, or write jpeg, webp or avif.")
    # Better before anything is drawn than after it.
    encode(np.zeros((16, 16, 3), np.uint8), form.format, quality)
    return form


def form_for(path: Path, content: bytes) -> Form:
    """The form that a file's name asks for; one that names no format is written as the store has it."""
    return Form(format=SUFFIXES.get(path.suffix.lower(), format_of(content)))


def format_of(content: bytes) -> Format:
    """The format of a picture's file, by its first bytes; raises UserError where it is none."""
    return find_format(suffix_of(content))


def encoded(content: bytes, form: Form) -> bytes:
    """A picture's file in another form, with the recipe, the infotext and the mark that it had."""
    if form.quality is None and format_of(content) == form.format:
        return content
    said = read_embedded(content)
    about = Metadata(
        infotext=said.infotext,
        recipe=said.recipe,
        model_fingerprint=said.model_fingerprint,
        trained=TRAINED in (said.xmp or ""),
    )
    return encode(read_pixels(content), form.format, form.quality, about)
