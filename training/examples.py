"""What the denoiser learns from: latents of every picture on several backgrounds, and the captions that fit each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import pictures
from training.autoencoder_graph import statistics_of
from training.captions import COLOURS, on_colour, on_white
from training.config import Config
from training.network import Encoder
from training.pictures import Picture
from training.text import read_all
from training.weights import AUTOENCODER, read

CACHE = "examples.npz"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A picture on one background, mirrored or not, and its captions."""

    picture: int
    background: str
    mirrored: bool
    captions: tuple[str, ...]

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as RGB."""
        return (255, 255, 255) if self.background == "white" else COLOURS[self.background]


def variants(index: list[Picture], config: Config, seed: int) -> list[Variant]:
    """Every picture on white, both ways round where that is right, and on some colours."""
    styles = {style.name: style for style in config.styles}
    every: list[Variant] = []
    for number, picture in enumerate(index):
        chance = random.Random(f"{seed}/{picture.style}/{picture.concept.name}")
        concept, style = picture.concept, styles[picture.style]
        white = tuple(on_white(concept, style, chance))
        for mirrored in (False, True)[: 1 + concept.mirrors]:
            every.append(Variant(picture=number, background="white", mirrored=mirrored, captions=white))
        for colour in chance.sample(sorted(COLOURS), config.pictures.colours_each):
            mirrored = concept.mirrors and chance.random() < 0.5
            told = tuple(on_colour(concept, style, colour))
            every.append(Variant(picture=number, background=colour, mirrored=mirrored, captions=told))
    return every


def prepare(config: Config, work: Path, seed: int) -> None:
    """Encode every variant and read every caption, once, into the work folder."""
    pixels, index = pictures.load(work)
    every = variants(index, config, seed)
    texts = sorted({caption for variant in every for caption in variant.captions} | {""})
    number = {text: row for row, text in enumerate(texts)}
    readings = read_all(texts)
    fitting = [[number[caption] for caption in variant.captions] for variant in every]
    longest = max(map(len, fitting))
    padded = [rows * longest for rows in fitting]
    scratch = work / f"part-{CACHE}"
    np.savez(
        scratch,
        latents=_latents(pixels, every, config, work),
        picture=np.asarray([variant.picture for variant in every]),
        captions=np.asarray([rows[:longest] for rows in padded]),
        count=np.asarray([len(rows) for rows in fitting]),
        white=np.asarray([variant.background == "white" for variant in every]),
        empty=number[""],
        states=readings.states,
        pooled=readings.pooled,
        mask=readings.mask,
    )
    scratch.replace(work / CACHE)
    print(f"examples: {len(every)} latents, {len(texts)} captions", flush=True)


def encoding(config: Config, work: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The autoencoder in the work folder, as a function from pictures b 3 h w in [-1, 1] to normalised latents."""
    weights, about = read(work / AUTOENCODER)
    mean, spread = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in statistics_of(about))
    encoder = Encoder(config.autoencoder).to(device).eval().requires_grad_(requires_grad=False)
    encoder.load_state_dict(
        {n.removeprefix("encoder."): torch.from_numpy(w) for n, w in weights.items() if n.startswith("encoder.")}
    )
    return lambda images: (encoder(images)[0] - mean) / spread


@torch.inference_mode()
def _latents(pixels: np.ndarray, every: list[Variant], config: Config, work: Path) -> np.ndarray:
    encode = encoding(config, work, torch.device("cpu"))
    latents = []
    for start in range(0, len(every), 64):
        batch = np.concatenate([_pixels(pixels, variant) for variant in every[start : start + 64]])
        latents.append(encode(torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1).half().numpy())
    return np.concatenate(latents)


def _pixels(pixels: np.ndarray, variant: Variant) -> np.ndarray:
    laid = pictures.on_background(pixels[variant.picture][None], variant.colour)
    return laid[:, :, ::-1] if variant.mirrored else laid
