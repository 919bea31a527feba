"""How faithful pastina's pictures are: whether a judge with no part in training recognises what was asked for."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aldente.models.pastina.model import Pastina
from training import pictures
from training.captions import COLOURS, on_colour, on_white
from training.config import Config, Style
from training.lite0 import Lite0
from training.pictures import Picture
from training.sheet import draw

BORDER = 3
"""Pixels along the edges that show the background."""

BATCH = 8


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A prompt, the concept that should come of it, a real picture of it by row, and the background if one is named."""

    prompt: str
    concept: str
    row: int
    background: str | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Shares of prompts of a kind whose picture is recognised at once, or among five, and whose background is right."""

    kind: str
    count: int
    top1: float
    top5: float
    background: float | None = None

    def row(self) -> str:
        """The score as a row of the table."""
        background = "" if self.background is None else f"{self.background:11.0%}"
        return f"{self.kind:34} {self.count:5} {self.top1:7.0%} {self.top5:7.0%} {background}"


class Judge:
    """Recognises the concept whose real pictures, on average over styles, a picture is nearest to."""

    def __init__(self, work: Path) -> None:
        self._network = Lite0()
        pixels, index = pictures.load(work)
        self.names = sorted({picture.concept.name for picture in index})
        shown = pictures.on_background(np.asarray(pixels))
        features = self._network.features(list(shown))
        owner = np.asarray([self.names.index(picture.concept.name) for picture in index])
        centres = np.stack([features[owner == number].mean(axis=0) for number in range(len(self.names))])
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)

    def ranks(self, images: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        """The place, from 0, of the right concept among all, for each picture."""
        likeness = self._network.features(images) @ self._centres.T
        right = likeness[np.arange(len(images)), [self.names.index(concept) for concept in concepts]]
        return (likeness > right[:, None]).sum(axis=1)


def evaluate(config: Config, work: Path, weights: Path, seed: int, limit: int = 600) -> str:
    """The table of scores by kind of prompt, at most ``limit`` prompts each; fetches the pictures if need be."""
    if not (work / "pictures.npy").exists():
        pictures.build(config, work)
    model, judge = Pastina(weights=weights), Judge(work)
    pixels, index = pictures.load(work)
    chance = random.Random(seed)
    asked_of = questions(config, index)
    chosen = {kind: chance.sample(asked, min(limit, len(asked))) for kind, asked in asked_of.items() if asked}
    chosen["training caption"] = asked_of["training caption"]
    rows: list[Score] = []
    for kind, asked in chosen.items():
        rows += [_score(model, judge, kind, asked, seed), _ceiling(model, judge, pixels, asked)]
    head = f"{'prompts':34} {'count':>5} {'top-1':>7} {'top-5':>7} {'background':>11}"
    chances = (
        f"chance: top-1 {1 / len(judge.names):.1%}, top-5 {5 / len(judge.names):.1%}, background {1 / (1 + len(COLOURS)):.0%}"
    )
    return "\n".join([head, *(row.row() for row in rows), chances])


def questions(config: Config, index: list[Picture]) -> dict[str, list[Asked]]:
    """What is asked, by kind."""
    styles = {style.name: style for style in config.styles}
    kinds: dict[str, list[Asked]] = {"training caption": [], "unseen (concept, style) pair": [], "unseen concept": []}
    named = {"train": "training caption", "pair": "unseen (concept, style) pair", "concept": "unseen concept"}
    coloured: list[Asked] = []
    for row, picture in enumerate(index):
        caption = on_white(picture.concept, styles[picture.style], random.Random(0))[0]
        kinds[named[picture.part]].append(Asked(prompt=caption, concept=picture.concept.name, row=row))
        if picture.part == "train":
            coloured.append(_coloured(row, picture, styles[picture.style]))
    return kinds | {"paraphrase": _paraphrases(index), "coloured background": coloured}


def _coloured(row: int, picture: Picture, style: Style) -> Asked:
    colour = random.Random(f"evaluate/{picture.style}/{picture.concept.name}").choice(sorted(COLOURS))
    caption = on_colour(picture.concept, style, colour)[0]
    return Asked(prompt=caption, concept=picture.concept.name, row=row, background=colour)


def _paraphrases(index: list[Picture]) -> list[Asked]:
    words = tomllib.loads((Path(__file__).parent / "paraphrases.toml").read_text(encoding="utf-8"))
    learnt = {picture.concept.name: row for row, picture in enumerate(index) if picture.part == "train"}
    return [Asked(prompt=text, concept=name, row=learnt[name]) for name, text in words.items() if name in learnt]


def _ceiling(model: Pastina, judge: Judge, pixels: np.ndarray, asked: list[Asked]) -> Score:
    """Real pictures of what was asked, as the autoencoder gives them back: what a perfect denoiser would score."""
    images = []
    for question in asked:
        colour = COLOURS.get(question.background or "", (255, 255, 255))
        image = pictures.on_background(np.asarray(pixels[question.row : question.row + 1]), colour)[0]
        images += model.decode(model.encode_image(image))
    return _judged(judge, "  real pictures of these", asked, images)


def _score(model: Pastina, judge: Judge, kind: str, asked: list[Asked], seed: int) -> Score:
    images: list[np.ndarray] = []
    for start in range(0, len(asked), BATCH):
        images += draw(model, [question.prompt for question in asked[start : start + BATCH]], seed=seed + start)
    return _judged(judge, kind, asked, images)


def _judged(judge: Judge, kind: str, asked: list[Asked], images: list[np.ndarray]) -> Score:
    ranks = judge.ranks(images, [question.concept for question in asked])
    told = [(image, question.background) for image, question in zip(images, asked, strict=True) if question.background]
    right = _share(np.asarray([background_of(image) == colour for image, colour in told])) if told else None
    return Score(kind=kind, count=len(asked), top1=_share(ranks < 1), top5=_share(ranks < 5), background=right)


def background_of(image: np.ndarray) -> str:
    """The name of the colour that most of the picture's border shows."""
    edge = np.ones(image.shape[:2], bool)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    shown = np.median(image[edge].astype(float), axis=0)
    known = COLOURS | {"white": (255, 255, 255)}
    return min(known, key=lambda name: float(np.square(np.asarray(known[name]) - shown).sum()))


def _share(right: np.ndarray) -> float:
    return float(np.mean(right))
