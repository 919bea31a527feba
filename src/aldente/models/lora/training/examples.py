"""What a LoRA is trained on: pictures with captions, out of folders as Kohya's tools lay them out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aldente.engine.errors import UserError
from aldente.models.port import Image as Pixels

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif"})

CAPTIONS = (".txt", ".caption")
"""What the file of a caption ends in, the first that is there."""

MOST_REPEATS = 10_000

_COUNTED = re.compile(r"(\d{1,6})_(.+)")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A picture, loaded when it is asked for, what it shows, and how often it is shown in an epoch.

    ``group`` is the folder or query that it is of, ``digest`` tells it from others.
    """

    name: str
    caption: str
    repeats: int
    group: str
    digest: str
    load: Callable[[], Pixels]


def read_folder(folder: Path) -> list[Example]:
    """The examples of a folder: of its subfolders ``10_name``, each shown ten times an epoch, and of itself, shown once.

    A caption lies beside its picture; a picture without one is captioned by the name of its subfolder. Raises UserError for
    a folder without pictures, and for a picture without any caption.
    """
    if not folder.is_dir():
        raise UserError(f"'{folder}' is no folder; give one with pictures and a .txt with the caption beside each.")
    found = _pictures(folder, 1, "")
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        counted = _COUNTED.fullmatch(child.name)
        if counted is None:
            continue
        repeats = int(counted[1])
        if not 1 <= repeats <= MOST_REPEATS:
            raise UserError(f"'{child.name}' shows its pictures {repeats} times; 1 to {MOST_REPEATS} are allowed.")
        found += _pictures(child, repeats, counted[2].replace("_", " "))
    if not found:
        raise UserError(
            f"'{folder}' has no pictures: put pictures and captions (picture.png, picture.txt) into it, or into subfolders"
            " like '10_name', which show each picture ten times."
        )
    return found


def read_picture(path: Path) -> Pixels:
    """The pixels of a picture (uint8, h w 3), turned as its camera says; raises UserError where it cannot be read."""
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            if "A" in upright.getbands() or "transparency" in upright.info:
                # What is seen through is white, as on a page.
                layered = upright.convert("RGBA")
                ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
                upright = Image.alpha_composite(ground, layered)
            return np.asarray(upright.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise UserError(f"the picture '{path}' cannot be read: {error}.") from error


def _pictures(folder: Path, repeats: int, named: str) -> list[Example]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())
    return [_example(path, repeats, named) for path in paths]


def _example(path: Path, repeats: int, named: str) -> Example:
    files = [path.with_suffix(ending) for ending in CAPTIONS]
    written = next((file for file in files if file.is_file()), None)
    caption = named if written is None else " ".join(written.read_text(encoding="utf-8", errors="replace").split())
    if written is None and not named:
        raise UserError(f"'{path.name}' has no caption: write what it shows into '{path.with_suffix('.txt').name}' beside it.")
    return Example(
        name=path.name,
        caption=caption,
        repeats=repeats,
        group=path.parent.name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        load=lambda: read_picture(path),
    )
