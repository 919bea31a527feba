"""Files for people: names that say what is in them, written whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe

_WORDS = re.compile(r"[\w-]+")
_LONGEST = 48


def file_name(recipe: Recipe) -> str:
    """``a-red-apple-3d-render-42-1a2b3c4d.png``: the prompt, the seed and the beginning of the digest."""
    slug = "-".join(_WORDS.findall(recipe.prompt.lower()))[:_LONGEST].strip("-") or "picture"
    return f"{slug}-{recipe.seed}-{recipe.digest()[:8]}.png"


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
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); choose another --out. The store has the pictures."
        ) from error
    return path
