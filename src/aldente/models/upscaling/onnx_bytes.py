"""A network as ONNX: its protocol buffer, written by hand.

The ``onnx`` package weighs more than the runtime and would be needed for this alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Attribute = int | float | str | Sequence[int]

IR_VERSION, OPSET = 8, 17

_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7
"""Types of attributes."""

_SINGLE = 1
"""The type of a tensor of float32."""


def node(kind: str, inputs: Iterable[str], outputs: Iterable[str], **attributes: Attribute) -> bytes:
    """An operation: names in, names out."""
    return b"".join(
        (
            *(_text(1, name) for name in inputs),
            *(_text(2, name) for name in outputs),
            _text(4, kind),
            *(_block(5, _attribute(name, value)) for name, value in attributes.items()),
        )
    )


def model(
    nodes: Iterable[bytes], weights: Mapping[str, NDArray[np.float32]], given: Mapping[str, Sequence[int | str]], result: str
) -> bytes:
    """The file: operations in their order, float32 weights and inputs (name to shape; a text is a free size), one output."""
    graph = b"".join(
        (
            *(_block(1, one) for one in nodes),
            _text(2, "network"),
            *(_block(5, _tensor(name, array)) for name, array in weights.items()),
            *(_block(11, _value(name, shape)) for name, shape in given.items()),
            _block(12, _value(result, None)),
        )
    )
    return _number(1, IR_VERSION) + _text(2, "aldente") + _block(7, graph) + _block(8, _text(1, "") + _number(2, OPSET))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, _STRING)
    if isinstance(value, float):
        return _text(1, name) + _key(2, 5) + struct.pack("<f", value) + _number(20, _FLOAT)
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    return _text(1, name) + b"".join(_number(8, one) for one in value) + _number(20, _INTS)


def _tensor(name: str, array: NDArray[np.float32]) -> bytes:
    content = np.ascontiguousarray(array, "<f4").tobytes()
    return b"".join(_number(1, size) for size in array.shape) + _number(2, _SINGLE) + _text(8, name) + _block(9, content)


def _value(name: str, shape: Sequence[int | str] | None) -> bytes:
    kind = _number(1, _SINGLE)
    if shape is not None:
        sizes = b"".join(_block(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
        kind += _block(2, sizes)
    return _text(1, name) + _block(2, _block(1, kind))


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _block(field, value.encode())


def _block(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the top bit set on all but the last."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*written, value))
