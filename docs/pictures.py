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

STYLES = ("3d render", "flat vector", "cartoon emoji")

CONCEPTS = (
    ("grinning face", "star-struck", "cat face", "panda", "robot", "skull", "clown face", "smiling face with sunglasses"),
    ("police officer", "astronaut", "Santa Claus", "mage", "farmer", "old woman", "baby", "detective"),
    ("owl", "penguin", "dolphin", "elephant", "honeybee", "turtle", "unicorn", "octopus"),
    ("red apple", "strawberry", "hamburger", "pizza", "watermelon", "doughnut", "birthday cake", "beer mug"),
    ("castle", "house", "church", "ferris wheel", "tent", "mountain", "Statue of Liberty", "hospital"),
    ("automobile", "bicycle", "airplane", "rocket", "sailboat", "tractor", "fire engine", "helicopter"),
    ("guitar", "alarm clock", "crown", "umbrella", "key", "wrapped gift", "light bulb", "t-shirt"),
    ("red heart", "blue heart", "star", "rainbow", "fire", "snowflake", "crescent moon", "high voltage"),
)
"""What the model's sheet shows, a row of each kind; a style and a seed a row, none of them chosen."""

CELL = 128


def draw_concepts(name: str) -> None:
    """The sheet of the embedded model: every row of ``CONCEPTS`` as it is drawn and enlarged."""
    sheet = Pictures.new("RGB", (CELL * len(CONCEPTS[0]), CELL * len(CONCEPTS)))
    with TemporaryDirectory() as place:
        for row, concepts in enumerate(CONCEPTS):
            for column, concept in enumerate(concepts):
                prompt = f"{concept}, {STYLES[row % len(STYLES)]}"
                settings = f"--steps 20 --cfg 3.5 --sampler 'DPM++ 2M Karras' --seed {row}"
                words = ["generate", prompt, *shlex.split(settings), "--out", f"{place}/{row}-{column}"]
                run([*words, "--store", f"{place}/store.sqlite"])
                (file,) = Path(place, f"{row}-{column}").glob("*.png")
                cell = Pictures.open(file).convert("RGB").resize((CELL, CELL), Pictures.Resampling.LANCZOS)
                sheet.paste(cell, (CELL * column, CELL * row))
    sheet.save(IMAGES / name, quality=QUALITY, subsampling=0, optimize=True)


def draw_variations(name: str) -> None:
    """A picture and what becomes of it: encoded, made noisy by each strength and drawn again by each prompt."""
    settings = shlex.split("--steps 20 --cfg 3")
    with TemporaryDirectory() as place:
        run(["generate", "panda, 3d render", *settings, "--seed", "5", "--out", place, "--store", f"{place}/store.sqlite"])
        (file,) = Path(place).glob("*.png")
        changes = "-x strength=0.2,0.3,0.4,0.5,0.7 -y 'prompt s/r=panda,cat face,robot,pig face'"
        line = shlex.join(["grid", "panda, 3d render", *settings, "--seed", "9", "--init-image", str(file)])
        draw(name, f"{line} {changes}")


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
    draw_concepts("pastina.jpg")
    draw_variations("variations.jpg")
