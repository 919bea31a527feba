"""Small pictures for galleries, kept beside the files; any of them may be removed, for it is made again when asked for."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image as Pictures

from aldente.engine.errors import UserError
from aldente.store.encodings import DAMAGES, opened
from aldente.store.files import THUMBNAILS
from aldente.store.record import Record

SIDE = 256
QUALITY = 85


def thumbnail(folder: Path, record: Record, read: Callable[[Record], bytes]) -> bytes:
    """The picture of a record as a JPEG file of at most 256 px a side; ``read`` gives its file.

    Raises UserError when the record has no picture, or its file is lost or damaged.
    """
    name = record.file_hash or record.id
    path = folder / THUMBNAILS / name[:2] / f"{name}.jpg"
    with suppress(OSError):
        return path.read_bytes()
    content = read(record)
    small = _small(content, f"picture {record.id}")
    with suppress(OSError):  # What cannot be kept is made again the next time.
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(uuid.uuid4().hex)
        temporary.write_bytes(small)
        temporary.replace(path)
    return small


def _small(content: bytes, name: str) -> bytes:
    with opened(content, name) as picture:
        picture.draft("RGB", (SIDE, SIDE))
        try:
            whole = picture.convert("RGB")
        except DAMAGES as error:
            raise UserError(
                f"{name}: its pixels cannot be read ({error}); restore the file, or draw the picture again."
            ) from error
        whole.thumbnail((SIDE, SIDE), Pictures.Resampling.LANCZOS, reducing_gap=2.0)
        file = io.BytesIO()
        whole.save(file, "JPEG", quality=QUALITY, optimize=True)
        return file.getvalue()
