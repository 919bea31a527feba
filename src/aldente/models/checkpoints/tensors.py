"""The numbers in safetensors files, read and written with NumPy alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import Entry, Header, read_header

Array = NDArray[Any]

_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip

_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


def read_tensors(path: Path, names: Iterable[str] | None = None, *, header: Header | None = None) -> dict[str, Array]:
    """The tensors called ``names`` (all when None) of a safetensors file; bfloat16 comes as float32.

    Raises UserError for a damaged file, a missing name, or a type that NumPy has none for.
    """
    head = header or read_header(path)
    found = {}
    with path.open("rb") as stream:
        for name in head.tensors if names is None else names:
            entry = head.tensors.get(name)
            if entry is None:
                raise UserError(f"'{path.name}' holds no tensor '{name}'.")
            stream.seek(head.data_start + entry.start)
            found[name] = _numbers(stream.read(entry.end - entry.start), entry, name, path)
    return found


def _numbers(content: bytes, entry: Entry, name: str, path: Path) -> Array:
    if entry.dtype == "BF16":
        # A bfloat16 is the upper half of a float32.
        return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").reshape(entry.shape)
    if entry.dtype not in _DTYPES:
        raise UserError(f"tensor '{name}' of '{path.name}' is {entry.dtype}, which cannot be read here.")
    return np.frombuffer(content, _DTYPES[entry.dtype]).reshape(entry.shape)


def write_tensors(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all; raises UserError for a type that the format has none for."""
    head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    arrays = {name: np.ascontiguousarray(tensors[name]).reshape(np.shape(tensors[name])) for name in sorted(tensors)}
    for name, array in arrays.items():
        if array.dtype not in _NAMES:
            raise UserError(f"tensor '{name}' of {array.dtype} cannot be written as safetensors.")
        head[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    content = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    # Tensors begin at multiples of eight, as readers that map files into memory expect.
    content += b" " * (-len(content) % 8)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.part")
    with scratch.open("wb") as stream:
        stream.write(len(content).to_bytes(8, "little") + content)
        for array in arrays.values():
            stream.write(array.tobytes())
    scratch.replace(path)
