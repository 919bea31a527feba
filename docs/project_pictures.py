"""The pictures of the bundled projects in the documentation: run after the model's weights or the projects change.

python docs/project_pictures.py [character] [textures] [pipeline] [hires]
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image as Pictures

from pictures import IMAGES, run

QUALITY = 85
GAP = 6


def character(folder: Path) -> Pictures.Image:
    """The twenty pictures of the character line, ten in a row."""
    return arranged(drawn(folder, "run character"), across=10, side_px=128)


def textures(folder: Path) -> Pictures.Image:
    """The small texture factory, each texture laid twice in both directions so that a seam would be seen."""
    pictures = [repeated(picture.resize((144, 144), Pictures.Resampling.LANCZOS)) for picture in drawn(folder, TEXTURES)]
    return arranged(pictures, across=3, side_px=288)


TEXTURES = "run textures --small --choose lean"


def pipeline(folder: Path) -> Pictures.Image:
    """The three-stage pipeline, both subjects."""
    return arranged(drawn(folder, "run pipeline"), across=2, side_px=384)


def hires(folder: Path) -> Pictures.Image:
    """A castle at 64 px enlarged; with hires fix at 1.5 times and 0.25; at twice and 0.5 by a latent upscaler."""
    castle = "generate 'castle, 3d render' --seed 7 --cfg 4 --steps 20"
    lines = (
        castle,
        f"{castle} --upscale-by 1.5 --upscaler pastina-4x --hires-denoise 0.25",
        f"{castle} --upscale-by 2 --upscaler latent --hires-denoise 0.5",
    )
    pictures = [picture for i, line in enumerate(lines) for picture in drawn(folder / str(i), line)]
    return arranged(pictures, across=len(lines), side_px=256)


SHEETS: dict[str, Callable[[Path], Pictures.Image]] = {
    "character": character,
    "textures": textures,
    "pipeline": pipeline,
    "hires": hires,
}
"""The name of each picture, and what draws it."""


def drawn(folder: Path, line: str) -> list[Pictures.Image]:
    """What a command draws, in the order of its file names."""
    run([*shlex.split(line), "--out", str(folder), "--store", str(folder / "store.sqlite")])
    names = sorted(path for path in folder.rglob("*.png") if "store.files" not in path.parts)
    return [Pictures.open(path).convert("RGB") for path in names if not path.name.startswith("contact-sheet")]


def repeated(picture: Pictures.Image) -> Pictures.Image:
    """A picture beside and below itself."""
    sheet = Pictures.new("RGB", (2 * picture.width, 2 * picture.height))
    for place in ((0, 0), (1, 0), (0, 1), (1, 1)):
        sheet.paste(picture, (place[0] * picture.width, place[1] * picture.height))
    return sheet


def arranged(pictures: list[Pictures.Image], *, across: int, side_px: int) -> Pictures.Image:
    """Pictures in rows, each brought to one width."""
    made = [one.resize((side_px, round(one.height * side_px / one.width)), Pictures.Resampling.LANCZOS) for one in pictures]
    down, height = -(-len(made) // across), max(one.height for one in made)
    sheet = Pictures.new("RGB", (across * (side_px + GAP) - GAP, down * (height + GAP) - GAP), "white")
    for number, one in enumerate(made):
        sheet.paste(one, (number % across * (side_px + GAP), number // across * (height + GAP)))
    return sheet


if __name__ == "__main__":
    for name in sys.argv[1:] or SHEETS:
        with TemporaryDirectory() as place:
            SHEETS[name](Path(place)).save(IMAGES / f"{name}.jpg", quality=QUALITY, optimize=True)
