"""What the scorer learns from: pictures on several backgrounds, captions, and which of them go together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aldente.models.pastina.sentences import MiniLM
from training import large, pictures
from training.captions import COLOURS, on_colour, on_white, with_article
from training.config import Config, Style
from training.drawn import Redrawing
from training.pictures import Picture

CACHE = "matching.npz"

BACKGROUNDS = {"white": (255, 255, 255)} | COLOURS
"""What pictures stand on, by name and in the order of their numbers."""

ANY = -1
"""The number of a style or background that a caption does not name."""

COLOURS_EACH = 3

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A text and what it says, as numbers of concept, style and background."""

    text: str
    concept: int
    style: int = ANY
    background: int = ANY


def concept_names(index: Sequence[Picture]) -> list[str]:
    """The names of the concepts, in the order of their numbers."""
    return sorted({picture.concept.name for picture in index})


def backgrounds(index: Sequence[Picture], seed: int) -> np.ndarray:
    """The numbers of the backgrounds (n 1+COLOURS_EACH) that each picture is shown on, white first."""
    colours = range(1, len(BACKGROUNDS))
    drawn = (random.Random(f"{seed}/{p.style}/{p.concept.name}").sample(colours, COLOURS_EACH) for p in index)
    return np.asarray([[0, *chosen] for chosen in drawn])


def captions(index: Sequence[Picture], config: Config, shown: np.ndarray) -> list[Caption]:
    """Everything that is said of the pictures on the backgrounds that they are ``shown`` on."""
    numbers = {style.name: number for number, style in enumerate(config.styles)}
    concepts = {name: number for number, name in enumerate(concept_names(index))}
    told: dict[Caption, None] = {}
    for picture, chosen in zip(index, shown.tolist(), strict=True):
        style, concept = numbers[picture.style], concepts[picture.concept.name]
        told |= dict.fromkeys(_on_white(picture, config.styles[style], concept, style))
        told |= dict.fromkeys(_on_colours(picture, config.styles[style], concept, style, chosen[1:]))
    return list(told)


def _on_white(picture: Picture, style: Style, concept: int, number: int) -> list[Caption]:
    chance = random.Random(f"{style.name}/{picture.concept.name}")
    styled, bare, turned, paged, rich = on_white(picture.concept, style, chance)
    said = [Caption(text=text, concept=concept, style=number) for text in (styled, turned, rich)]
    return [*said, Caption(text=bare, concept=concept), Caption(text=paged, concept=concept, style=number, background=0)]


def _on_colours(picture: Picture, style: Style, concept: int, number: int, chosen: Sequence[int]) -> list[Caption]:
    names, said = list(BACKGROUNDS), []
    for place, background in enumerate(chosen):
        text = on_colour(picture.concept, style, names[background])[place % 2]
        said.append(Caption(text=text, concept=concept, style=number, background=background))
    text = f"{with_article(picture.concept.name)} on a {names[chosen[0]]} background"
    return [*said, Caption(text=text, concept=concept, background=chosen[0])]


def prepare(config: Config, work: Path, seed: int) -> None:
    """Shrink and redraw every picture and read every caption, once, into the work folder."""
    large.prepare(config, work)
    pixels, index = large.load(work)
    shown = backgrounds(index, seed)
    said = captions(index, config, shown)
    small = large.shrunk(pixels)
    scratch = work / f"part-{CACHE}"
    np.savez(
        scratch,
        pixels=small,
        redrawn=_redrawn(small, shown, Redrawing(config, work, torch.device("cpu")), seed),
        shown=shown,
        vectors=read_texts([caption.text for caption in said]),
        facts=np.asarray([(caption.concept, caption.style, caption.background) for caption in said]),
        texts=np.asarray([caption.text for caption in said]),
    )
    scratch.replace(work / CACHE)
    print(f"matching: {len(index)} pictures, {len(said)} captions", flush=True)


def read_texts(texts: Sequence[str]) -> np.ndarray:
    """MiniLM's unit vectors of the texts (n 384, float16), read by the batch: near enough to one at a time for learning."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    encoder, found = MiniLM(), np.empty((len(texts), 384), np.float16)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        found[rows] = encoder.embed([texts[row] for row in rows])
    return found


def _redrawn(small: np.ndarray, shown: np.ndarray, redraw: Redrawing, seed: int) -> np.ndarray:
    """Each picture on each of its backgrounds as pastina would draw it: n k h w 3, uint8."""
    chance = torch.Generator().manual_seed(seed)
    colours = np.asarray(list(BACKGROUNDS.values()))
    drawn = np.empty((*shown.shape, *small.shape[1:3], 3), np.uint8)
    for row, chosen in enumerate(shown):
        images = np.concatenate([pictures.on_background(small[row : row + 1], tuple(colours[number])) for number in chosen])
        planes = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        drawn[row] = ((redraw(planes, chance) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return drawn
