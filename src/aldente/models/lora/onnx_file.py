"""ONNX files read by hand, as far as adding to their weights and training along their operations needs it.

The ``onnx`` package weighs more than the runtime, and drawing with a LoRA would need it for this alone.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError

_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8"), 10: np.dtype("<f2")}
"""ONNX's numbers of the types that occur."""

_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7


class Stored(NamedTuple):
    """A tensor in the file: its type, its shape, and where its bytes are."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    end: int


class Node(NamedTuple):
    """An operation: what it takes, what it gives, and its options."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class OnnxFile:
    """A graph: its operations in their order, its tensors by name; ``content`` is the whole file."""

    content: bytes

    @staticmethod
    def read(path: Path) -> OnnxFile:
        """The file at ``path``; raises UserError where it is no ONNX file."""
        found = OnnxFile(path.read_bytes())
        if not found.nodes:
            raise UserError(f"'{path}' is no ONNX file of a network.")
        return found

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The operations in their order."""
        return tuple(self._node(*place) for field, place in self._graph() if field == 1)

    @cached_property
    def tensors(self) -> dict[str, Stored]:
        """The tensors by name."""
        return dict(self._tensor(*place) for field, place in self._graph() if field == 5)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the graph gives."""
        named = (_fields(self.content, *place) for field, place in self._graph() if field == 12)
        return tuple(self._text(place) for fields in named for field, place in fields if field == 1)

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's numbers."""
        stored = self.tensors[name]
        return np.frombuffer(self.content[stored.start : stored.end], stored.dtype).reshape(stored.shape)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The tensors that were learned, which are stored as half floats, in single precision."""
        learned = (name for name, stored in self.tensors.items() if stored.dtype == np.float16)
        return {name: self.array(name).astype(np.float32) for name in learned}

    def with_added(self, added: Mapping[str, NDArray[np.float32]]) -> bytes:
        """The file with something added to some of its weights, which stay where they are and of their type."""
        content = bytearray(self.content)
        for name, change in added.items():
            stored = self.tensors[name]
            whole = self.array(name).astype(np.float32) + change.reshape(stored.shape)
            content[stored.start : stored.end] = whole.astype(stored.dtype).tobytes()
        return bytes(content)

    def _graph(self) -> Iterator[tuple[int, tuple[int, int]]]:
        for field, place in _fields(self.content, 0, len(self.content)):
            if field == 7 and isinstance(place, tuple):
                yield from ((inner, at) for inner, at in _fields(self.content, *place) if isinstance(at, tuple))

    def _node(self, start: int, end: int) -> Node:
        texts: dict[int, list[str]] = {1: [], 2: [], 4: []}
        attributes = {}
        for field, place in _fields(self.content, start, end):
            if field in texts:
                texts[field].append(self._text(place))
            elif field == 5 and isinstance(place, tuple):
                name, value = self._attribute(*place)
                attributes[name] = value
        return Node(texts[4][0], tuple(texts[1]), tuple(texts[2]), attributes)

    def _attribute(self, start: int, end: int) -> tuple[str, Any]:
        found: dict[int, Any] = {8: []}
        for field, place in _fields(self.content, start, end):
            if field == 8:
                found[8] += self._numbers(place)
            else:
                found[field] = place
        kind = found.get(20)
        value: Any = found.get(3) if kind == _INT else found[8]
        if kind == _FLOAT:
            (value,) = struct.unpack("<f", found[2].to_bytes(4, "little"))
        elif kind == _STRING:
            value = self._text(found[4])
        return self._text(found[1]), value

    def _tensor(self, start: int, end: int) -> tuple[str, Stored]:
        shape: list[int] = []
        found: dict[int, Any] = {}
        for field, place in _fields(self.content, start, end):
            if field == 1:
                shape += self._numbers(place)
            else:
                found[field] = place
        name, (first, last) = self._text(found[8]), found.get(9, (0, 0))
        dtype = _DTYPES.get(found[2])
        if dtype is None or last - first != math.prod(shape) * dtype.itemsize:
            raise UserError(f"the tensor '{name}' of an ONNX file is stored in a way that cannot be read here.")
        return name, Stored(dtype, tuple(shape), first, last)

    def _numbers(self, place: int | tuple[int, int]) -> list[int]:
        """One number, or several packed."""
        if isinstance(place, int):
            return [_signed(place)]
        at, found = place[0], []
        while at < place[1]:
            value, at = _varint(self.content, at)
            found.append(_signed(value))
        return found

    def _text(self, place: Any) -> str:
        start, end = place
        return self.content[start:end].decode()


def _fields(content: bytes, start: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """The fields of a message: its number, and its value or where its bytes are."""
    at = start
    while at < end:
        key, at = _varint(content, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield field, value
        elif wire == 2:
            length, at = _varint(content, at)
            yield field, (at, at + length)
            at += length
        else:
            size = {1: 8, 5: 4}[wire]
            yield field, int.from_bytes(content[at : at + size], "little")
            at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
