"""What was found out about files, kept by path, size and time of change, so that nothing is read or hashed twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import platformdirs

from aldente.models.checkpoints.facts import Architecture, CheckpointFacts, Kind
from aldente.models.checkpoints.folders import INDEX, is_folder
from aldente.models.checkpoints.hashes import auto_v1, sha256, tensor_sha256
from aldente.models.checkpoints.inspecting import inspect

FILE = "known-files.json"

VERSION = 2
"""Raised when facts are told in another way: what older versions kept is then found out anew."""

_PAIRS, _TEXTS = ("steps",), ("has", "notes")


def data_folder() -> Path:
    """Where what users add is kept."""
    return Path(platformdirs.user_data_dir("aldente", appauthor=False))


class Ledger:
    """Facts and hashes of files by path; a file that has changed is looked at again. ``save`` writes what is new."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or data_folder()) / FILE
        self._known = _stored(self._path)
        self._changed: dict[str, dict[str, Any]] = {}

    def facts(self, path: Path, *, allow_pickle: bool = False) -> CheckpointFacts:
        """The facts of a file or folder; raises as ``inspect`` does."""
        entry = self._entry(path)
        kept = _facts(entry.get("facts"))
        if kept is None:
            kept = inspect(path, allow_pickle=allow_pickle)
            self._keep(path, entry, "facts", asdict(kept))
        return kept

    def sha256(self, path: Path) -> str:
        """The SHA-256 of the whole file."""
        return self._hash(path, "sha256", sha256)

    def auto_v1(self, path: Path) -> str:
        """A1111's first hash."""
        return self._hash(path, "auto_v1", auto_v1)

    def tensor_sha256(self, path: Path) -> str:
        """The SHA-256 of a safetensors file after its head."""
        return self._hash(path, "tensors", tensor_sha256)

    def known_sha256(self, path: Path) -> str | None:
        """The SHA-256 if it is known without reading the file."""
        found = self._entry(path).get("sha256")
        return found if isinstance(found, str) else None

    def save(self) -> None:
        """Write what was found out, beside what others have written since."""
        if not self._changed:
            return
        merged = _stored(self._path) | self._changed
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._path.with_name(f"{FILE}.{os.getpid()}.part")
        scratch.write_text(json.dumps({"version": VERSION, "files": merged}, ensure_ascii=False), encoding="utf-8")
        scratch.replace(self._path)
        self._known, self._changed = merged, {}

    def _hash(self, path: Path, name: str, compute: Callable[[Path], str]) -> str:
        entry = self._entry(path)
        kept = entry.get(name)
        if not isinstance(kept, str):
            kept = compute(path)
            self._keep(path, entry, name, kept)
        return kept

    def _entry(self, path: Path) -> dict[str, Any]:
        """What is known of the file as it is now."""
        marks = _marks(path)
        entry = self._changed.get(_key(path)) or self._known.get(_key(path))
        return entry if entry is not None and entry.get("marks") == marks else {"marks": marks}

    def _keep(self, path: Path, entry: dict[str, Any], name: str, value: Any) -> None:
        self._changed[_key(path)] = {**entry, name: value}


def _key(path: Path) -> str:
    return str(path.absolute())


def _marks(path: Path) -> list[int]:
    """What changes when a file does: its size and time, and those of the configuration beside it; of a folder, its index's."""
    looked_at = path / INDEX if path.is_dir() and is_folder(path) else path
    return [*_stat(looked_at), *_stat(looked_at.with_suffix(".yaml"))]


def _stat(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return [0, 0]
    return [found.st_size, found.st_mtime_ns]


def _stored(path: Path) -> dict[str, dict[str, Any]]:
    """What the file keeps; nothing where it is missing, damaged or older: all of it can be found out again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        files = found["files"] if found["version"] == VERSION else {}
        return {str(key): value for key, value in files.items() if isinstance(value, dict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _facts(kept: object) -> CheckpointFacts | None:
    if not isinstance(kept, dict) or kept.get("kind") not in get_args(Kind):
        return None
    if kept.get("architecture") not in (None, *get_args(Architecture)):
        return None
    made = dict(kept)
    for name in (*_PAIRS, *_TEXTS):
        made[name] = None if kept.get(name) is None else tuple(kept[name])
    try:
        made["native"] = tuple((int(width), int(height)) for width, height in kept.get("native", ()))
        return CheckpointFacts(**made)
    except (TypeError, ValueError):
        return None
