"""Pictures that recipes begin with or follow: from the user's files and the store's pictures to what a recipe can name."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from aldente.engine.errors import UserError
from aldente.models.port import Image, ModelInfo
from aldente.recipe.parameters import UNSET, Scalar, find_parameter
from aldente.store.port import Store

MOST_PIXELS = 200_000_000

_HASH = re.compile(r"[0-9a-f]{64}")


def with_files_kept(store: Store, said: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings with every picture that they name kept in the store and named by its hash.

    A picture is a file, or the beginning of the id of one in the store. Raises UserError that lists every fault.
    """
    kept, faults = dict(said), []
    for name, value in said.items():
        if find_parameter(name).choices != "file" or not isinstance(value, str) or value.strip().lower() in {"", *UNSET}:
            continue
        try:
            kept[name] = keep_picture(store, value.strip())
        except UserError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise UserError("\n".join(faults))
    return kept


def keep_picture(store: Store, what: str) -> str:
    """The hash of a picture that is now in the store: a file's, or one of the store's own by its id or hash."""
    path = Path(what)
    if path.is_file():
        content = path.read_bytes()
        picture_of(content, what)
        return store.keep_file(content)
    if _HASH.fullmatch(what):
        picture_of(store.read_file(what), what)
        return what
    if path.suffix or not re.fullmatch(r"[0-9a-f-]+", what):
        raise UserError(
            f"{what}: there is no such file; give a picture's file or the beginning of an id from 'aldente history'."
        )
    return store.keep_file(store.image_bytes(store.get(what)))


def picture_of(content: bytes, name: str = "the picture") -> Image:
    """The pixels, uint8 h w 3, of a picture's file in any usual format, upright, what is transparent on white.

    Raises UserError when it cannot be read or is too large.
    """
    try:
        with Pillow.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise UserError(
                    f"{name}: {opened.width} x {opened.height} px is too large; at most {MOST_PIXELS} px can be read."
                )
            upright = ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                laid = upright.convert("RGBA")
                upright = Pillow.alpha_composite(Pillow.new("RGBA", laid.size, "white"), laid)
            return np.array(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise UserError(f"{name}: it cannot be read as a picture ({error}); give a PNG, JPEG, WebP or AVIF file.") from None


def size_for(image: Image, info: ModelInfo) -> tuple[int, int]:
    """The width and height at which a model draws such a picture: its own where it can, else as much as its native area."""
    height, width = image.shape[:2]
    scale = 1.0
    if not all(info.size_min <= side <= info.size_max for side in (width, height)):
        native = info.native[0][0] * info.native[0][1]
        scale = (native / (width * height)) ** 0.5
    return _side(width * scale, info), _side(height * scale, info)


def _side(length: float, info: ModelInfo) -> int:
    multiple = info.size_multiple
    return min(max(round(length / multiple) * multiple, info.size_min), info.size_max // multiple * multiple)
