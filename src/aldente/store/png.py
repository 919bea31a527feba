"""PNG files that carry their recipe: written with Pillow, read chunk by chunk so that damage is named, not suffered."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngImageFile, PngInfo
from pydantic import Field, ValidationError

from aldente import __version__
from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.value import Value
from aldente.store.chunks import texts

INFOTEXT = "parameters"
OWN = "aldente"
OWN_FACTS = ("recipe", "recipe_digest", "model_fingerprint", "aldente")
XMP = "XML:com.adobe.xmp"

SMALL_PIXELS = 512 * 512
"""Up to here files are packed harder: 12 % smaller for .1 ms at 64 px, but twice as slow (2.6 s, not 1.2 s) at 4096 px."""

MOST_PACKED = 1032
"""To how many bytes one can unpack at most: a file that claims more pixels would fill the memory with nothing."""

MOST_PIXELS = 16384 * 16384
"""The largest recipe. Pillow's own guard against bombs would refuse our larger pictures."""

TRAINED_MEDIA_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
"""XMP that marks a picture as made by a trained model."""


class Own(Value):
    """What our own chunk holds."""

    format: Literal[1] = 1
    aldente: str
    recipe: Recipe
    recipe_digest: str
    model_fingerprint: str | None = None


class Embedded(Value):
    """What a PNG file says about itself. ``texts`` are all its text chunks by keyword, ours and infotext included."""

    width: int
    height: int
    infotext: str | None = None
    recipe: Recipe | None = None
    recipe_digest: str | None = None
    model_fingerprint: str | None = None
    aldente: str | None = None
    xmp: str | None = None
    texts: dict[str, str] = Field(default_factory=dict)


def png_bytes(
    image: Any,
    *,
    infotext: str | None = None,
    recipe: Recipe | None = None,
    model_fingerprint: str | None = None,
    xmp: str | None = None,
) -> bytes:
    """The PNG file of a picture (uint8, h w 3): the same arguments give the same bytes under the same Pillow.

    ``infotext`` goes where A1111 puts it, the recipe with its digest and the model's fingerprint in a text chunk ``aldente``.
    """
    chunks = PngInfo()
    if infotext is not None:
        _add_text(chunks, INFOTEXT, infotext)
    if recipe is not None:
        chunks.add_itxt(OWN, own_text(recipe, model_fingerprint))
    if xmp is not None:
        chunks.add_itxt(XMP, xmp)
    level = 4 if image.shape[0] * image.shape[1] <= SMALL_PIXELS else 1
    file = io.BytesIO()
    Pictures.fromarray(np.ascontiguousarray(image)).save(file, "PNG", compress_level=level, pnginfo=chunks)
    return file.getvalue()


def own_text(recipe: Recipe, model_fingerprint: str | None) -> str:
    """A recipe with its digest and the model's fingerprint, as files carry it."""
    own = Own(aldente=__version__, recipe=recipe, recipe_digest=recipe.digest(), model_fingerprint=model_fingerprint)
    return own.canonical()


def _add_text(chunks: PngInfo, keyword: str, text: str) -> None:
    whole = text.replace("\0", "\ufffd")  # NUL ends a text inside a chunk; the recipe keeps it.
    try:
        whole.encode("latin-1")
    except UnicodeEncodeError:
        chunks.add_itxt(keyword, whole)
    else:
        chunks.add_text(keyword, whole)


def read_png(source: Path | bytes) -> Embedded:
    """What a PNG file says about itself.

    Raises UserError, which names the file and the place, when it is not a PNG file, is damaged, or its recipe was changed.
    """
    content, name = content_of(source)
    width, height, found = texts(content, name)
    return embedded(width, height, found, name)


def embedded(width: int, height: int, found: dict[str, str], name: str) -> Embedded:
    """What the texts of a file, by the keywords that PNG files give them, say about its picture."""
    own = _own(found[OWN], name) if OWN in found else None
    facts = {} if own is None else {field: getattr(own, field) for field in OWN_FACTS}
    return Embedded(width=width, height=height, infotext=found.get(INFOTEXT), xmp=found.get(XMP), texts=found, **facts)


def read_image(source: Path | bytes) -> Any:
    """The pixels of a PNG file: uint8, h w 3; raises UserError when it is not a PNG or is damaged."""
    content, name = content_of(source)
    width, height, _ = texts(content, name)
    check_size(width, height, name)
    if height * (1 + width / 8) > MOST_PACKED * len(content):
        raise UserError(
            f"{name}: damaged: {len(content)} bytes cannot hold {width} x {height} px; restore the file from a copy."
        )
    try:
        with PngImageFile(io.BytesIO(content)) as picture:
            return np.array(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{name}: its pixels cannot be read ({error}); restore the file, or draw the picture again.") from error


def check_size(width: int, height: int, name: str) -> None:
    """Raise UserError where a picture is larger than any that can be drawn: a small hostile file could fill the memory."""
    if width * height > MOST_PIXELS:
        raise UserError(f"{name}: {width} x {height} px is more than can be read here ({MOST_PIXELS} px); make it smaller.")


def content_of(source: Path | bytes) -> tuple[bytes, str]:
    """The bytes of a picture's file and what to call it; raises UserError when it cannot be read."""
    if isinstance(source, bytes):
        return source, "the picture"
    try:
        return source.read_bytes(), str(source)
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror}); give the path of a picture.") from error


def _own(text: str, name: str) -> Own:
    """Our own chunk, checked against its digest as it was written: later versions may spell the same recipe differently."""
    try:
        raw = json.loads(text)
        recipe, digest, by = raw["recipe"], raw["recipe_digest"], raw["aldente"]
        canonical = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{name}: its 'aldente' text is not what aldente writes ({error!r}); another program changed it."
        ) from error
    if hashlib.sha256(canonical.encode(errors="replace")).hexdigest() != digest:
        raise UserError(f"{name}: its recipe does not match its digest; it was changed after the picture was drawn.")
    try:
        return Own.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{name}: its recipe, written by aldente {by}, is not one that this aldente knows "
            f"({where}: {first['msg']}); upgrade aldente."
        ) from error
