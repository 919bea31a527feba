"""Files for people: names that say what is in them, written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe

_WORDS = re.compile(r"[\w-]+")
_LONGEST = 48


def file_name(recipe: Recipe, ending: str = ".png") -> str:
    """``a-red-apple-3d-render-42-1a2b3c4d.png``: the prompt, the seed and the beginning of the digest."""
    slug = "-".join(_WORDS.findall(recipe.prompt.lower()))[:_LONGEST].strip("-") or "picture"
    return f"{slug}-{recipe.seed}-{recipe.digest()[:8]}{ending}"


def folder(path: Path) -> Path:
    """The folder for what a run will write, made if it is not there.

    Raises UserError when it cannot be written, before anything is drawn for it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error.strerror) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unwritable(path, os.strerror(errno.EACCES))
    return path


def read_text(path: Path, what: str) -> str:
    """The text of a file that a user named; ``what`` it should be is told where it cannot be read. Raises UserError."""
    try:
        # Editors on Windows begin a file with a mark, which is no part of the text.
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give {what}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8.") from error


def write(path: Path, content: bytes | str) -> Path:
    """Write a file so that it is there whole or not at all; its path.

    Raises UserError when the place cannot be written or is full.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(raw)
        temporary.replace(path)
    except OSError as error:
        # Where the place itself is wrong, there is nothing to remove either.
        with suppress(OSError):
            temporary.unlink()
        raise _unwritable(path, error.strerror) from error
    return path


def _unwritable(path: Path, why: str | None) -> UserError:
    return UserError(f"{path}: cannot be written ({why}); choose another place. What was drawn is in the store.")
