"""The head of a safetensors file: the names, types, shapes and places of its tensors, and its metadata. Nothing is trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from aldente.engine.errors import UserError

MOST_HEADER_BYTES = 32 * 2**20
"""The longest head that is read; those of the largest models take two megabytes."""

MOST_TENSORS = 200_000

MOST_AXES = 8

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64, "F4": 4,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
"""The bits of one number of each type."""

_LENGTH_BYTES = 8


class Entry(NamedTuple):
    """A tensor in a file: its type, its shape, and where its bytes begin and end after the head."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself; ``data_start`` is where its tensors begin, 0 where only their shapes are known."""

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]
    data_start: int

    @property
    def numbers(self) -> int:
        """How many numbers the tensors hold together."""
        return sum(math.prod(entry.shape) for entry in self.tensors.values())

    @property
    def dtype(self) -> str:
        """The type that most bytes are of; empty where there are no tensors."""
        amounts: dict[str, int] = {}
        for entry in self.tensors.values():
            amounts[entry.dtype] = amounts.get(entry.dtype, 0) + entry.end - entry.start
        return max(amounts, key=lambda kind: amounts[kind], default="")

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; empty where there is none of that name."""
        entry = self.tensors.get(name)
        return () if entry is None else entry.shape


def read_header(path: Path) -> Header:
    """The head of the safetensors file at ``path``; raises UserError that says what is wrong with a damaged one."""
    try:
        with path.open("rb") as stream:
            return header_of(stream, path.stat().st_size, path.name)
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror or error}.") from error


def header_of(stream: BinaryIO, size: int, name: str) -> Header:
    """The head of a safetensors file of so many bytes; ``name`` is what errors call it."""
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if size < _LENGTH_BYTES + 2:
        raise _damaged(name, f"it has {size} bytes, and the shortest safetensors file has 10")
    if length > size - _LENGTH_BYTES:
        raise _damaged(name, f"its head is said to take {length} bytes, but the file has {size}")
    if length > MOST_HEADER_BYTES:
        raise _damaged(name, f"its head is said to take {length} bytes; at most {MOST_HEADER_BYTES} are read")
    found = _parsed(stream.read(length), name)
    metadata = found.pop("__metadata__", {})
    if not _is_texts(metadata):
        raise _damaged(name, "its metadata is not a table of texts")
    if len(found) > MOST_TENSORS:
        raise _damaged(name, f"it lists {len(found)} tensors; at most {MOST_TENSORS} are read")
    tensors = {key: _entry(name, key, value) for key, value in found.items()}
    _check_places(name, tensors, size - _LENGTH_BYTES - length)
    return Header(tensors=tensors, metadata=metadata, data_start=_LENGTH_BYTES + length)


def _parsed(content: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(content.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        told = str(error) if isinstance(error, _TwiceError) else "its head is not JSON"
        raise _damaged(name, told) from error
    if not isinstance(found, dict):
        raise _damaged(name, "its head is not a table")
    return found


class _TwiceError(ValueError):
    """A name that stands twice in one table."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError("a name stands twice in its head")
    return found


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_counts(value: object, most: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 2**62 for one in value)
    )


def _entry(name: str, key: str, value: Any) -> Entry:
    if not isinstance(value, dict):
        raise _damaged(name, f"tensor '{key[:80]}' is not described by a table")
    dtype, shape, places = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _damaged(name, f"tensor '{key[:80]}' is of the type {str(dtype)[:20]!r}, which is not known")
    if not isinstance(shape, list) or not _is_counts(shape, MOST_AXES):
        raise _damaged(name, f"tensor '{key[:80]}' has no proper shape")
    if not isinstance(places, list) or len(places) != 2 or not _is_counts(places, 2):
        raise _damaged(name, f"tensor '{key[:80]}' has no proper place")
    start, end = places
    if (end - start) * 8 != math.prod(shape) * BITS[dtype]:
        raise _damaged(name, f"tensor '{key[:80]}' of {shape} {dtype} is said to take {end - start} bytes")
    return Entry(dtype, tuple(shape), start, end)


def _check_places(name: str, tensors: Mapping[str, Entry], size: int) -> None:
    """Raise UserError unless the tensors fill the file from end to end, none over another."""
    at = 0
    for key, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != at:
            raise _damaged(name, f"tensor '{key[:80]}' begins at byte {entry.start}, where {at} was to be")
        at = entry.end
    if at != size:
        raise _damaged(name, f"its tensors take {at} bytes, but {size} are there; it may have been cut off in copying")


def _damaged(name: str, why: str) -> UserError:
    return UserError(f"'{name}' is not a sound safetensors file: {why}. Copy or download it again.")
