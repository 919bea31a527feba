"""Files named by their contents: ``aa/bb/<sha256>.<kind>``. A file is either whole or not there.

Paths are texts where a file is saved: those of pathlib took an eighth of the processor's time of saving many pictures.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aldente.engine.errors import UserError

THUMBNAILS = "thumbnails"
"""Where small pictures are kept inside the folder; any of them may be removed."""

ABANDONED_SECONDS = 86_400.0

WRITERS = 8
"""Threads that wait for the disk at once: the file system settles several files in one go (8: twice as fast as 4)."""


class StoredFile(NamedTuple):
    """A file that is on the disk; ``path`` is relative to the store's folder."""

    hash: str
    bytes: int
    path: str

    @property
    def media_type(self) -> str:
        """What is in the file, as its name says."""
        return MEDIA_TYPES[self.path.rpartition(".")[2]]


MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "bin": "application/octet-stream",
}
"""By suffix. Files of other kinds (``bin``) are kept too, but no picture is."""


def suffix_of(content: bytes) -> str:
    """The suffix for a file of this content, told by its first bytes: a key of ``MEDIA_TYPES``."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return "avif" if content[4:12] in (b"ftypavif", b"ftypavis") else "bin"


class Files:
    """A folder of content-addressed files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise _refused(folder, error) from error

    def add(self, contents: Sequence[bytes]) -> list[StoredFile]:
        """Write ``contents``, except those that are there whole already, and return once they would survive a power cut.

        A file that is there but damaged is written anew.
        When the disk is full (or any write fails) nothing half-written stays, and UserError says so.
        """
        stored = [_named(content) for content in contents]
        missing = {file: content for file, content in zip(stored, contents, strict=True) if not self.is_whole(file)}
        moves = [(f"{self._incoming}{os.sep}{uuid.uuid4().hex}", self._path(file)) for file in missing]
        try:
            with ThreadPoolExecutor(WRITERS) as pool:
                _shared_out(pool, _write, [(move[0], content) for move, content in zip(moves, missing.values(), strict=True)])
                changed = _published(moves, str(self.folder))
                # The folders of files that are there already too: who wrote them may have been killed before it got so far.
                folders = changed | {os.path.dirname(self._path(file)) for file in stored}
                _shared_out(pool, _sync_directory, [(folder,) for folder in sorted(folders)])
        except OSError as error:
            raise _refused(self.folder, error) from error
        finally:
            for temporary, _ in moves:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)
        return stored

    def has(self, file: StoredFile) -> bool:
        """Whether the file is there at its full length."""
        try:
            return os.stat(self._path(file)).st_size == file.bytes
        except FileNotFoundError:
            return False

    def is_whole(self, file: StoredFile) -> bool:
        """Whether the file is there and holds what its name says; it is read for that."""
        if not self.has(file):
            return False
        try:
            return hashlib.sha256((self.folder / file.path).read_bytes()).hexdigest() == file.hash
        except OSError:
            return False

    def read(self, file: StoredFile) -> bytes:
        """The contents of a file; raises UserError when it is missing or damaged."""
        path = self.folder / file.path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"file {path} cannot be read ({error.strerror}); restore it, or draw the picture again.") from error
        if hashlib.sha256(content).hexdigest() != file.hash:
            raise UserError(
                f"file {path} is damaged: its contents do not match its name; restore it, or draw the picture again."
            )
        return content

    def _path(self, file: StoredFile) -> str:
        return f"{self.folder}{os.sep}{file.path}"

    def _sweep(self) -> None:
        """Remove what a killed process left half-written a day or more ago."""
        for path in self._incoming.iterdir():
            try:
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue


def _named(content: bytes) -> StoredFile:
    digest = hashlib.sha256(content).hexdigest()
    return StoredFile(digest, len(content), f"{digest[:2]}/{digest[2:4]}/{digest}.{suffix_of(content)}")


def _write(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _published(moves: Sequence[tuple[str, str]], folder: str) -> set[str]:
    """Give files their final names, and return the folders that must be synced for the names to last."""
    changed: set[str] = set()
    for temporary, final in moves:
        parent = os.path.dirname(final)
        if parent not in changed and not os.path.isdir(parent):
            os.makedirs(parent, exist_ok=True)
            changed |= {os.path.dirname(parent), folder}
        os.replace(temporary, final)
        changed.add(parent)
    return changed


def _shared_out(pool: ThreadPoolExecutor, do: Callable[..., None], given: Sequence[tuple[object, ...]]) -> None:
    """Do something with each of the given, an equal share in each thread; raises what the first that failed raised."""

    def share(first: int) -> None:
        for each in given[first::WRITERS]:
            do(*each)

    shares = [pool.submit(share, first) for first in range(min(WRITERS, len(given)))]
    wait(shares)
    for done in shares:
        done.result()


def _sync_directory(path: str) -> None:
    if os.name != "posix":  # Windows cannot open a directory; its rename is in the journal.
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"pictures cannot be written to {folder} ({error.strerror}); nothing half-written was left. "
        "Free some space, mend the permissions or use another --store."
    )
