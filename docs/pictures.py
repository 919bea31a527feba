"""The pictures in the documentation, made by aldente itself: run after the model's weights or the sheets change."""

from __future__ import annotations

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image as Pictures

from aldente.interface.cli import main

IMAGES = Path(__file__).resolve().parent / "images"
QUALITY = 88

SHEETS = {
    "castle.jpg": "grid 'castle, 3d render' --seed 7 -x steps=3,5,8,12,20,40 -y cfg=1,4,7,15",
    "prompts.jpg": "grid 'red apple, 3d render' --seed 3 --cfg 4 -x 'sampler=Euler Karras,Euler a Karras,DPM++ 2M Karras'"
    " -y 'prompt s/r=red apple,castle,owl'",
}
"""The command of each picture."""


def draw(name: str, command: str) -> None:
    """Write one picture, as a JPEG so that the repository stays small."""
    with TemporaryDirectory() as place:
        run([*shlex.split(command), "--out", place, "--store", f"{place}/store.sqlite"])
        (sheet,) = Path(place).glob("grid-*/sheet-*.png")
        Pictures.open(sheet).convert("RGB").save(IMAGES / name, quality=QUALITY, subsampling=0, optimize=True)


def run(arguments: list[str]) -> None:
    """Run a command line to its end; SystemExit unless it succeeds."""
    try:
        main(arguments)
    except SystemExit as stop:
        if stop.code:
            raise


if __name__ == "__main__":
    for picture_name, line in SHEETS.items():
        draw(picture_name, line)
