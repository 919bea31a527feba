"""The hashes that other programs call files of weights by."""

from __future__ import annotations

import hashlib
from io import BufferedReader
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import read_header

_V1_START, _V1_BYTES = 0x100000, 0x10000
"""The piece of a file that A1111's first hash was of."""

_CHUNK = 2**20


def sha256(path: Path) -> str:
    """The SHA-256 of a whole file, hexadecimal."""
    with _opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def auto_v1(path: Path) -> str:
    """A1111's first hash of a model: eight digits, of one small piece of the file."""
    with _opened(path) as stream:
        stream.seek(_V1_START)
        return hashlib.sha256(stream.read(_V1_BYTES)).hexdigest()[:8]


def auto_v2(whole: str) -> str:
    """What A1111 and Civitai show of a checkpoint's SHA-256: its first ten digits."""
    return whole[:10]


def tensor_sha256(path: Path) -> str:
    """The SHA-256 of what comes after the head of a safetensors file, which kohya's tools write as ``sshs_model_hash``.

    Metadata do not change it: A1111 names LoRAs by its first twelve digits, and so does Civitai (AutoV3).
    """
    start = read_header(path).data_start
    digest = hashlib.sha256()
    with _opened(path) as stream:
        stream.seek(start)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror or error}.") from error
