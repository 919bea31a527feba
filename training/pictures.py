"""The pictures that pastina learns from, and the stage that builds them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from training.config import Config
from training.emoji import Concept, concepts, gallery
from training.holdout import Part, part
from training.packages import fetch, licence

OPAQUE_MIN = 3.0
"""Mean opacity, of 255, under which a picture counts as missing."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture's concept, style and part; its pixels are the row of the same number in ``pictures.npy``."""

    concept: Concept
    style: str
    part: Part


def build(config: Config, work: Path, packages: Path | None = None) -> None:
    """Fetch the packages, draw every chosen concept in every style, and write pictures, index and licences to ``work``.

    The packages are kept in ``work`` unless a folder is given for them.
    """
    kept = packages or work / "packages"
    places = {name: fetch(name, version, kept) for name, version in config.packages.items()}
    chosen = [
        c for c in concepts(places["emojibase-data"]) if not config.pictures.concepts or c.name in config.pictures.concepts
    ]
    pixels: list[np.ndarray] = []
    index: list[Picture] = []
    for style in config.styles:
        draw = gallery(places[style.package])
        for concept in chosen:
            drawn = draw(concept.points, config.pictures.size)
            if drawn is None or drawn[..., 3].mean() < OPAQUE_MIN:
                continue
            belongs = part(concept.name, style.name, concepts=config.pictures.held_concepts, pairs=config.pictures.held_pairs)
            pixels.append(drawn)
            index.append(Picture(concept=concept, style=style.name, part=belongs))
        print(f"pictures: {style.name}, {len(index)} so far", flush=True)
    save(pixels, index, work)
    stated = {name: {"version": config.packages[name], "licence": licence(place)} for name, place in places.items()}
    (work / "licences.json").write_text(json.dumps(stated, indent=1), encoding="utf-8")


def save(pixels: list[np.ndarray], index: list[Picture], work: Path) -> None:
    """Write the pictures and their index."""
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "pictures.npy", np.stack(pixels))
    (work / "pictures.json").write_text(json.dumps([asdict(picture) for picture in index]), encoding="utf-8")


def load(work: Path) -> tuple[np.ndarray, list[Picture]]:
    """The pixels (n h w 4, uint8) and the index that ``save`` wrote."""
    entries = json.loads((work / "pictures.json").read_text(encoding="utf-8"))
    index = []
    for entry in entries:
        told = entry["concept"]
        concept = Concept(**(told | {"keywords": tuple(told["keywords"])}))
        index.append(Picture(concept=concept, style=entry["style"], part=entry["part"]))
    return np.load(work / "pictures.npy", mmap_mode="r"), index


def on_background(pixels: np.ndarray, colour: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Pictures with opacity (n h w 4) laid on one colour: n h w 3, uint8."""
    opacity = pixels[..., 3:].astype(np.float32) / 255
    laid = pixels[..., :3] * opacity + np.asarray(colour, np.float32) * (1 - opacity)
    return np.rint(laid).astype(np.uint8)
