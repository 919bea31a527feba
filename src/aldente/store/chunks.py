"""The chunks of a PNG file, read with every length and checksum looked at [W3C 2025, section 5]."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from aldente.engine.errors import UserError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST_TEXT = 16 * 2**20
"""No text may unpack to more bytes than this: a few kilobytes of a hostile file could become gigabytes."""


class Chunk(NamedTuple):
    """A chunk: its four-letter kind, its content and where in the file it begins."""

    kind: str
    content: bytes
    offset: int


def texts(file: bytes, name: str) -> tuple[int, int, dict[str, str]]:
    """Width, height and the texts (tEXt, zTXt, iTXt) of a PNG file by keyword; of a keyword that is there twice, the first.

    Raises UserError, which calls the file ``name``, when it is not a PNG file or is damaged.
    """
    width = height = 0
    found: dict[str, str] = {}
    for chunk in _chunks(file, name):
        if chunk.kind == "IHDR" and len(chunk.content) == 13:
            width, height = struct.unpack(">II", chunk.content[:8])
        if chunk.kind in _TEXTS:
            try:
                keyword, text = _TEXTS[chunk.kind](chunk.content)
            except (ValueError, IndexError, zlib.error) as error:
                raise _damaged(name, chunk.kind, chunk.offset, f"its text cannot be read: {error}") from error
            found.setdefault(keyword, text)
    if not width or not height:
        raise _damaged(name, "IHDR", len(SIGNATURE), "it does not say how large the picture is")
    return width, height, found


def _chunks(file: bytes, name: str) -> Iterator[Chunk]:
    if not file.startswith(SIGNATURE):
        raise UserError(f"{name}: not a PNG file; only PNG files carry a recipe that can be read here.")
    offset, kind = len(SIGNATURE), ""
    while kind != "IEND":
        if len(file) < offset + 12:
            raise _damaged(name, kind or "IHDR", offset, "the file ends too early")
        length, letters = struct.unpack_from(">I4s", file, offset)
        kind = letters.decode("latin-1")
        end = offset + 8 + length
        if len(file) < end + 4:
            raise _damaged(name, kind, offset, "the file ends too early")
        content = file[offset + 8 : end]
        if zlib.crc32(content, zlib.crc32(letters)) != struct.unpack_from(">I", file, end)[0]:
            raise _damaged(name, kind, offset, "its checksum is wrong")
        yield Chunk(kind, content, offset)
        offset = end + 4


def _plain(content: bytes) -> tuple[str, str]:
    keyword, text = content.split(b"\0", 1)
    return keyword.decode("latin-1"), text.decode("latin-1")


def _packed(content: bytes) -> tuple[str, str]:
    keyword, text = content.split(b"\0", 1)
    return keyword.decode("latin-1"), _unpacked(text[1:]).decode("latin-1")


def _international(content: bytes) -> tuple[str, str]:
    keyword, rest = content.split(b"\0", 1)
    packed = rest[0]
    _, _, text = rest[2:].split(b"\0", 2)
    return keyword.decode("latin-1"), (_unpacked(text) if packed else text).decode("utf-8")


_TEXTS = {"tEXt": _plain, "zTXt": _packed, "iTXt": _international}


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed, LONGEST_TEXT)
    if not unpacker.eof:
        raise ValueError(f"it is cut off or longer than {LONGEST_TEXT} bytes")
    return text


def _damaged(name: str, kind: str, offset: int, why: str) -> UserError:
    shown = kind if kind.isascii() and kind.isalpha() else repr(kind)
    return UserError(
        f"{name}: damaged in chunk {shown} at byte {offset}: {why}; restore the file from a copy, or draw the picture again."
    )
