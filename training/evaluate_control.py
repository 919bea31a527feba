"""How well pastina follows control pictures and fills holes, beside doing without what it learned for that."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_fill_holes
from torch import Tensor

from aldente.models.pastina.model import Pastina
from training import pictures
from training.captions import on_white
from training.config import Config
from training.holdout import Part
from training.holes import holes
from training.line_maps import control_pictures, edges, widened
from training.pictures import Picture
from training.steered_drawing import Wish, fillings, paint, pixels

LIMIT = 60
"""Pictures of each question."""

APART = 24
"""How far a colour is from the background, of 255, where it belongs to the shape."""

RIM = 2
"""Pixels inside a hole that count as its rim, where what is filled in meets what was there."""

Question = tuple[str, int]
"""A prompt, and the row of the picture whose control picture it is to follow."""


def evaluate_control(config: Config, work: Path, weights: Path, seed: int, limit: int = LIMIT) -> str:
    """The tables of both, or a line that says that the weights take no hints."""
    model = Pastina(weights=weights)
    if not model.info.controls:
        return "control: these weights take no hints"
    planes, index = pictures.load(work)
    stacked = torch.from_numpy(np.array(planes)).permute(0, 3, 1, 2).float() / 255
    opacity = stacked[:, 3:]
    shown = stacked[:, :3] * opacity + 1 - opacity
    lines = [f"{'control, against its picture':34} {'count':>5} {'without':>8} {'with':>8} {'real':>8}"]
    for title, asked in questions(config, index, limit, seed).items():
        lines += _following(model, title, asked, shown, opacity, seed)
    lines.append(f"{'holes, differences of 255':34} {'count':>5} {'kept':>8} {'rim':>8} {'hole':>8}")
    for part in ("train", "pair"):
        lines += _filling(model, part, _own(config, index, part, limit, seed), shown, seed)
    return "\n".join(lines)


def questions(config: Config, index: Sequence[Picture], limit: int, seed: int) -> dict[str, list[Question]]:
    """Trained captions with the outlines of another style's picture of the concept, and unseen pictures with their own."""
    captioned = _own(config, index, "train", len(index), seed)
    others: list[Question] = []
    for prompt, row in captioned:
        concept = index[row].concept.name
        strangers = [other for other in range(len(index)) if index[other].concept.name == concept and other != row]
        others += [(prompt, strangers[len(prompt) % len(strangers)])] if strangers else []
    return {"of another style": others[:limit], "of an unseen picture": _own(config, index, "pair", limit, seed)}


def _own(config: Config, index: Sequence[Picture], part: Part, limit: int, seed: int) -> list[Question]:
    """Captions of at most ``limit`` pictures of a part, and their rows."""
    styles = {style.name: style for style in config.styles}
    rows = [row for row, picture in enumerate(index) if picture.part == part]
    random.Random(seed).shuffle(rows)
    return [(on_white(index[r].concept, styles[index[r].style], random.Random(0))[0], r) for r in rows[:limit]]


def _following(model: Pastina, title: str, asked: Sequence[Question], shown: Tensor, opacity: Tensor, seed: int) -> list[str]:
    """A row for each kind of control: how well pictures agree with the map, drawn without it and with it, and real ones."""
    prompts, rows = [prompt for prompt, _ in asked], [row for _, row in asked]
    images, shapes = shown[rows], opacity[rows]
    real = [picture for image in pixels(images) for picture in model.decode(model.encode_image(image))]
    plain = paint(model, [Wish(prompt=prompt) for prompt in prompts], seed)
    lines = []
    for number, kind in enumerate(model.info.controls):
        chance = torch.Generator().manual_seed(seed)
        drawn = pixels(control_pictures(images, shapes, torch.full((len(rows),), number), chance))
        hints = [model.control(kind, picture) for picture in drawn]
        steered = paint(model, [Wish(prompt=p, hints=((h, 1.0),)) for p, h in zip(prompts, hints, strict=True)], seed)
        scores = [_agreements(kind, given, images, shapes) for given in (plain, steered, real)]
        told = " ".join(f"{score:8.2f}" for score in scores)
        measure = "overlap" if kind == "silhouette" else "edges"
        lines.append(f"{f'{kind} {title}, {measure}':34.34} {len(rows):5} {told}")
    return lines


def _agreements(kind: str, given: Sequence[np.ndarray], images: Tensor, shapes: Tensor) -> float:
    if kind == "silhouette":
        wanted = (shapes[:, 0] > 0.5).numpy()
        return float(np.mean([overlap(shape_of(picture), shape) for picture, shape in zip(given, wanted, strict=True)]))
    drawn = torch.from_numpy(np.stack(given)).permute(0, 3, 1, 2).float() / 255
    pairs = zip(edges(drawn).split(1), edges(images).split(1), strict=True)
    return float(np.mean([agreement(one, other) for one, other in pairs]))


def agreement(drawn: Tensor, wanted: Tensor) -> float:
    """The F-score of edges, a pixel's distance forgiven: the harmonic mean of how many are wanted and how many are there."""
    precise = float((drawn * widened(wanted)).sum() / drawn.sum().clamp(min=1))
    complete = float((wanted * widened(drawn)).sum() / wanted.sum().clamp(min=1))
    return 2 * precise * complete / max(precise + complete, 1e-9)


def shape_of(picture: np.ndarray) -> np.ndarray:
    """Where a picture is not its background, the colour of its border; what is enclosed belongs to the shape."""
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(float)
    apart = np.abs(picture - np.median(edge, axis=0)).max(axis=2) > APART
    return binary_fill_holes(apart)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def _filling(model: Pastina, part: str, asked: Sequence[Question], shown: Tensor, seed: int) -> list[str]:
    """A row for each way to fill: mean differences to the true pictures where these were to be kept, at rims, in holes."""
    prompts, rows = [prompt for prompt, _ in asked], [row for _, row in asked]
    true = pixels(shown[rows])
    masks = pixels(holes(len(rows), shown.shape[-1], torch.Generator().manual_seed(seed)))
    ways = {"replaced": (False, True), "trained": (True, False), "both": (True, True)}
    lines = []
    for way, (trained, replaced) in ways.items():
        wishes = fillings(model, prompts, true, masks, trained=trained, replaced=replaced)
        errors = [
            np.abs(drawn.astype(float) - t).mean(axis=2) for drawn, t in zip(paint(model, wishes, seed), true, strict=True)
        ]
        means = [_mean(errors, places) for places in zip(*(_places(mask) for mask in masks), strict=True)]
        lines.append(f"{f'{way}, {part}':34} {len(rows):5} {' '.join(f'{mean:8.1f}' for mean in means)}")
    return lines


def _places(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a picture is kept, where its hole's rim is, and its hole."""
    hole = mask[..., 0] > 127
    return ~hole, hole & binary_dilation(~hole, iterations=RIM), hole


def _mean(errors: Sequence[np.ndarray], places: Sequence[np.ndarray]) -> float:
    """The mean over pictures that have such a place."""
    each = [error[place].mean() for error, place in zip(errors, places, strict=True) if place.any()]
    return float(np.mean(each))
