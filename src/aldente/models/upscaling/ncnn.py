"""Networks in ncnn's format: a text of layers (``.param``) and their numbers (``.bin``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError

_MAGIC = "7767517"

_HALF = 0x01306B47
"""The mark before weights that are stored as half floats; before single floats it is 0."""

_LISTS = -23300
"""A key below this one is that of a list, whose length comes first."""

Number = int | float


class Layer(NamedTuple):
    """A layer: its kind, the names of what it reads and writes, its settings by number, and its weights, float32."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[int, Number | tuple[Number, ...]]
    weights: tuple[NDArray[np.float32], ...]


def read_layers(text: str, numbers: bytes) -> tuple[Layer, ...]:
    """The layers of a network in their order.

    Raises UserError where the text is not ncnn's, or where the numbers are more or fewer than its layers need.
    """
    magic, _, *lines = text.split("\n")
    if magic.strip() != _MAGIC:
        raise UserError(f"this is no network in ncnn's format: it begins with '{magic[:20]}' where '{_MAGIC}' is due.")
    stored = _Numbers(numbers)
    layers = tuple(_layer(line.split(), stored) for line in lines if line.strip())
    if stored.left:
        raise UserError(f"the numbers of this network do not fit its layers: {stored.left} bytes are left over.")
    return layers


def _layer(words: list[str], stored: _Numbers) -> Layer:
    kind, ins, outs = words[0], int(words[2]), int(words[3])
    names, settings = words[4 : 4 + ins + outs], dict(_setting(word) for word in words[4 + ins + outs :])
    return Layer(kind, tuple(names[:ins]), tuple(names[ins:]), settings, _weights(kind, settings, stored))


def _setting(word: str) -> tuple[int, Number | tuple[Number, ...]]:
    key, value = word.split("=")
    number = int(key)
    if number > _LISTS:
        return number, _number(value)
    return _LISTS - number, tuple(_number(part) for part in value.split(",")[1:])


def _number(text: str) -> Number:
    return float(text) if "." in text or "e" in text else int(text)


def _weights(
    kind: str, settings: Mapping[int, Number | tuple[Number, ...]], stored: _Numbers
) -> tuple[NDArray[np.float32], ...]:
    def count(key: int) -> int:
        value = settings.get(key, 0)
        assert isinstance(value, int)
        return value

    if kind == "PReLU":
        return (stored.singles(count(0)),)
    if kind != "Convolution":
        return ()
    outputs, side = count(0), count(1)
    kernel = stored.marked(count(6)).reshape(outputs, -1, side, side)
    return (kernel, stored.singles(outputs)) if count(5) else (kernel,)


class _Numbers:
    """The numbers of a network, taken from the front."""

    def __init__(self, stored: bytes) -> None:
        self._stored, self._at = stored, 0

    @property
    def left(self) -> int:
        return len(self._stored) - self._at

    def singles(self, count: int) -> NDArray[np.float32]:
        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def marked(self, count: int) -> NDArray[np.float32]:
        """Numbers after a mark that says how they are stored; half floats are filled up to four bytes."""
        mark = int.from_bytes(self._take(4), "little")
        if mark == 0:
            return self.singles(count)
        if mark != _HALF:
            raise UserError(f"weights stored in the form {mark:#010x} are not known; known are half and single floats.")
        return np.frombuffer(self._take(2 * count + 2 * count % 4), "<f2")[:count].astype(np.float32)

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise UserError(f"the numbers of this network do not fit its layers: {size - self.left} bytes are missing.")
        self._at += size
        return self._stored[self._at - size : self._at]
