"""Pictures as PNG, JPEG, WebP and AVIF files that carry their recipe, and all of these read again.

PNG keeps texts in chunks. The others keep the infotext in the EXIF field UserComment (UTF-16, as A1111 writes it and Civitai
reads it) and our recipe inside the XMP packet, beside the mark that a trained model made the picture.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr, unescape

import numpy as np
from PIL import Image as Pictures

from aldente.engine.errors import UserError, unknown
from aldente.recipe.recipe import Recipe
from aldente.recipe.value import Value
from aldente.store.files import suffix_of
from aldente.store.png import (
    INFOTEXT,
    OWN,
    TRAINED_MEDIA_XMP,
    XMP,
    Embedded,
    check_size,
    content_of,
    embedded,
    own_text,
    png_bytes,
    read_image,
    read_png,
)

Format = Literal["png", "jpeg", "webp", "avif"]
FORMATS: tuple[Format, ...] = ("png", "jpeg", "webp", "avif")
SUFFIXES: Mapping[str, Format] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".avif": "avif"}
ENDINGS: Mapping[Format, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "avif": ".avif"}
"""What the names of files that we write end with."""
QUALITIES: Mapping[Format, int] = {"png": 100, "jpeg": 95, "webp": 90, "avif": 80}
"""What is taken where no quality is asked for; PNG loses nothing at any."""

LONGEST_SEGMENT = 65_000
"""No metadata of a JPEG file may be longer, in bytes."""

_EXIF, _USER_COMMENT, _MAKE, _MODEL, _DESCRIPTION = 0x8769, 0x9286, 0x010F, 0x0110, 0x010E
DAMAGES = (OSError, ValueError, SyntaxError, EOFError, RuntimeError, MemoryError, Pictures.DecompressionBombError, struct.error)
"""What Pillow's readers raise on damaged files."""

_NAMESPACE = "https://aldente.example/ns/1.0/"
_OWN_IN_XMP = re.compile(r'aldente:recipe="([^"]*)"|aldente:recipe=\'([^\']*)\'')
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#10;": "\n", "&#13;": "\r", "&#9;": "\t"}


class Metadata(Value):
    """What a file is to say about its picture; ``trained`` marks it as made by a trained model."""

    infotext: str | None = None
    recipe: Recipe | None = None
    model_fingerprint: str | None = None
    trained: bool = True


def find_format(name: str) -> Format:
    """The format of this name or suffix ('jpg', '.webp'); raises UserError with the known ones."""
    plain = name.lower()
    found = SUFFIXES.get(plain if plain.startswith(".") else f".{plain}")
    if found is None:
        raise unknown("format", name, FORMATS)
    return found


def encode(image: Any, format: Format, quality: int | None = None, metadata: Metadata | None = None) -> bytes:
    """The file of a picture (uint8, h w 3) with its metadata; ``quality`` is from 1 to 100, or the format's usual one.

    Raises UserError where the metadata is too long for the format, or this Pillow cannot write it.
    """
    said = metadata or Metadata()
    if format == "png":
        xmp = TRAINED_MEDIA_XMP if said.trained else None
        return png_bytes(image, infotext=said.infotext, recipe=said.recipe, model_fingerprint=said.model_fingerprint, xmp=xmp)
    if quality is not None and not 1 <= quality <= 100:
        raise UserError(f"quality is {quality}; it must be from 1 to 100.")
    exif, xmp_packet = _exif(said.infotext), _xmp(said)
    longest = max(len(exif), len(xmp_packet))
    if format == "jpeg" and longest > LONGEST_SEGMENT:
        raise UserError(f"the prompt and recipe are too long ({longest} bytes) for a JPEG file; write PNG or WebP.")
    extra: dict[str, Any] = {name: value for name, value in (("exif", exif), ("xmp", xmp_packet)) if value}
    # Colour at half the resolution smears thin lines: JPEG keeps all of it.
    extra |= {"subsampling": 0, "optimize": True} if format == "jpeg" else {}
    file = io.BytesIO()
    try:
        picture = Pictures.fromarray(np.ascontiguousarray(image))
        picture.save(file, format.upper(), quality=quality or QUALITIES[format], **extra)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"the picture cannot be written as {format.upper()} here ({error}); write PNG or JPEG.") from error
    return file.getvalue()


def _exif(infotext: str | None) -> bytes:
    if infotext is None:
        return b""
    exif = Pictures.Exif()
    comment = infotext.replace("\0", "\ufffd").encode("utf-16-be", errors="replace")
    exif.get_ifd(_EXIF)[_USER_COMMENT] = b"UNICODE\0" + comment
    return exif.tobytes()


def _xmp(said: Metadata) -> bytes:
    """The XMP packet with what there is to say; empty when that is nothing."""
    if said.recipe is None:
        return TRAINED_MEDIA_XMP.encode() if said.trained else b""
    own = quoteattr(own_text(said.recipe, said.model_fingerprint), {'"': "&quot;"})
    ours = f'<rdf:Description rdf:about="" xmlns:aldente="{_NAMESPACE}" aldente:recipe={own}/></rdf:RDF>'
    whole = TRAINED_MEDIA_XMP.replace("</rdf:RDF>", ours)
    if not said.trained:
        whole = re.sub(r"<rdf:Description[^>]*Iptc4xmpExt[^>]*/>", "", whole, count=1)
    return whole.encode(errors="replace")


def read_embedded(source: Path | bytes) -> Embedded:
    """What a PNG, JPEG, WebP or AVIF file says about itself.

    Raises UserError, which names the file, when it is none of these, is damaged, or its recipe was changed.
    """
    content, name = content_of(source)
    if suffix_of(content) == "png":
        return read_png(source)
    with opened(content, name) as picture:
        width, height = picture.size
        found = _texts(picture)
    return embedded(width, height, found, name)


def read_pixels(source: Path | bytes) -> Any:
    """The pixels of a PNG, JPEG, WebP or AVIF file: uint8, h w 3; raises UserError when it is none or is damaged."""
    content, name = content_of(source)
    if suffix_of(content) == "png":
        return read_image(source)
    with opened(content, name) as picture:
        try:
            return np.array(picture.convert("RGB"))
        except DAMAGES as error:
            raise UserError(f"{name}: its pixels cannot be read ({error}); restore the file.") from error


@contextmanager
def opened(content: bytes, name: str) -> Iterator[Pictures.Image]:
    """A picture's file, open; raises UserError, which calls it ``name``, when it is of no known kind or too large."""
    try:
        with warnings.catch_warnings():
            # Pillow's own guard against bombs would refuse our larger pictures; ours is ``check_size``.
            warnings.simplefilter("ignore")
            picture = Pictures.open(io.BytesIO(content), formats=[known.upper() for known in FORMATS])
    except DAMAGES as error:
        raise UserError(f"{name}: not a PNG, JPEG, WebP or AVIF file that can be read here; or it is damaged.") from error
    with picture:
        check_size(*picture.size, name)
        yield picture


def _texts(picture: Pictures.Image) -> dict[str, str]:
    """The texts of a file that is no PNG, by the keywords that PNG files give them."""
    found: dict[str, str] = {}
    with warnings.catch_warnings(), suppress(Exception):  # Pillow raises anything at all on damaged EXIF.
        warnings.simplefilter("ignore")
        exif = picture.getexif()
        comment = exif.get_ifd(_EXIF).get(_USER_COMMENT)
        if comment is not None:
            found[INFOTEXT] = comment_text(comment)
        # ComfyUI writes its graphs so: 'prompt:{...}' and 'workflow:{...}'.
        for tag in (_MAKE, _MODEL, _DESCRIPTION):
            keyword, colon, text = str(exif.get(tag, "")).partition(":")
            if colon and keyword.lower() in ("prompt", "workflow"):
                found.setdefault(keyword.lower(), text.rstrip("\0"))
    xmp = picture.info.get("xmp")
    if isinstance(xmp, bytes):
        found[XMP] = xmp.decode(errors="replace")
        own = _OWN_IN_XMP.search(found[XMP])
        if own is not None:
            found[OWN] = unescape(own[1] if own[1] is not None else own[2], _ENTITIES)
    return found


def comment_text(comment: bytes | str) -> str:
    """The text of an EXIF UserComment: UTF-16 in either order of bytes after 'UNICODE', else UTF-8."""
    if isinstance(comment, str):
        comment = comment.encode("latin-1", errors="replace")
    if not comment.startswith(b"UNICODE\0"):
        return comment.removeprefix(b"ASCII\0\0\0").removeprefix(b"\0" * 8).decode(errors="replace").rstrip("\0")
    body = comment[8:]
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", errors="replace")
    # Most texts have more signs of the Latin alphabet than others: their upper byte is 0.
    first, second = body[0::2].count(0), body[1::2].count(0)
    return body.decode("utf-16-be" if first >= second else "utf-16-le", errors="replace").rstrip("\0")
