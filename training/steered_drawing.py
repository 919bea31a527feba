"""Pictures drawn under hints and masks by the engine, and sheets of them to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from aldente.engine.denoise import Asking, Condition, Denoiser, Latent, conditional, together
from aldente.engine.guidance.combine import cfg
from aldente.engine.guidance.guide import guided
from aldente.engine.levels import exploding_levels
from aldente.engine.masking import inpainted
from aldente.engine.samplers.dpmpp_multistep import DPMpp2M
from aldente.engine.schedules.curves import karras
from aldente.engine.schedules.span import Span
from aldente.engine.trajectory import trajectory
from aldente.models.pastina.facts import SIGMA_MAX, SIGMA_MIN
from aldente.models.pastina.model import Pastina
from training.holes import holes
from training.line_maps import control_pictures

STEPS, SCALE = 20, 4.5

ROWS = 32
"""Most rows of one call of the model."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A picture to be drawn: its prompt, hints and their weights, and the latent to keep where ``mask`` is 0."""

    prompt: str
    hints: tuple[tuple[Any, float], ...] = ()
    known: Latent | None = None
    mask: Latent | None = None


def paint(model: Pastina, wishes: Sequence[Wish], seed: int) -> list[np.ndarray]:
    """The pictures, each from noise of its own; hints steer both sides of the guidance."""
    side = model.info.native[0][0] // model.info.latent_scale
    levels = exploding_levels([*karras(Span(sigma_min=SIGMA_MIN, sigma_max=SIGMA_MAX), STEPS)])
    runs = []
    for number, wish in enumerate(wishes):
        chance = np.random.default_rng((seed, number))
        noise = chance.standard_normal((1, model.info.latent_channels, side, side), dtype=np.float32)
        denoise = _denoiser(model, wish, noise)
        runs.append(trajectory(DPMpp2M(), denoise, noise * levels[0].sigma, levels, lambda *_: 0.0))
    return [image for latent in _driven(model, together(runs)) for image in model.decode(latent)]


def sheet(
    model: Pastina, prompts: Sequence[str], image: torch.Tensor, opacity: torch.Tensor, path: Path, seed: int = 0
) -> None:
    """For every kind a block of rows: control pictures, drawn without, and at weights .5, 1, 1.5; then holes filled.

    ``image`` (b 3 h w) and ``opacity`` (b 1 h w), in [0, 1], are what control pictures and holes are made from.
    """
    chance = torch.Generator().manual_seed(seed)
    shown = pixels(image)
    rows = [shown]
    for number, kind in enumerate(model.info.controls):
        lines = pixels(control_pictures(image, opacity, torch.full((len(image),), number), chance))
        hints = [model.control(kind, picture) for picture in lines]
        rows += [lines]
        for weight in (0.0, 0.5, 1.0, 1.5):
            wishes = [Wish(prompt=p, hints=((h, weight),)) for p, h in zip(prompts, hints, strict=True)]
            rows.append(paint(model, wishes, seed))
    if model.info.inpaints:
        hole = holes(len(image), image.shape[-1], chance)
        masks = pixels(hole)
        rows.append([np.where(mask > 127, np.uint8(128), picture) for mask, picture in zip(masks, shown, strict=True)])
        for trained, replaced in ((False, True), (True, False), (True, True)):
            filled = fillings(model, prompts, shown, masks, trained=trained, replaced=replaced)
            rows.append(paint(model, filled, seed))
    Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows])).save(path)


def fillings(
    model: Pastina,
    prompts: Sequence[str],
    shown: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    *,
    trained: bool,
    replaced: bool,
) -> list[Wish]:
    """Holes to be filled by what was trained for it, by putting the known latent back at every step, or by both."""
    wishes = []
    scale = model.info.latent_scale
    for prompt, picture, mask in zip(prompts, shown, masks, strict=True):
        hints = ((model.inpainting(picture, mask[..., 0]), 1.0),) if trained else ()
        if not replaced:
            wishes.append(Wish(prompt=prompt, hints=hints))
            continue
        cells = (mask[..., 0] > 127).reshape(mask.shape[0] // scale, scale, -1, scale).max(axis=(1, 3))
        free = cells.astype(np.float32)[None, None]
        wishes.append(Wish(prompt=prompt, hints=hints, known=model.encode_image(picture), mask=free))
    return wishes


def pixels(planes: torch.Tensor) -> list[np.ndarray]:
    """Planes b c h w in [0, 1] as pictures, uint8 h w 3."""
    bright = (planes.expand(-1, 3, -1, -1) * 255).round().byte().permute(0, 2, 3, 1)
    return list(bright.contiguous().numpy())


def _denoiser(model: Pastina, wish: Wish, noise: np.ndarray) -> Denoiser:
    def told(text: str) -> Condition:
        return model.hinted(model.encode(((text, 1.0),)), wish.hints)

    denoise = guided(cfg(SCALE), conditional(told(wish.prompt)), conditional(told("")))
    return denoise if wish.mask is None else inpainted(denoise, wish.known, noise, wish.mask)


def _driven(model: Pastina, asking: Asking[list[Latent]]) -> list[Latent]:
    """What the runs come to, their evaluations asked of the model in batches."""
    answers = None
    while True:
        try:
            queries = next(asking) if answers is None else asking.send(answers)
        except StopIteration as stop:
            return stop.value
        parts = [queries[start : start + ROWS] for start in range(0, len(queries), ROWS)]
        clean = [
            model.estimate(np.concatenate([q.x for q in part]), [q.level for q in part], [q.condition for q in part])
            for part in parts
        ]
        answers = [row[None] for part in clean for row in part]
