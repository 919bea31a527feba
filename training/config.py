"""What pastina.toml says, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.shape import AutoencoderShape, DenoiserShape, EnlargerShape, ScorerShape, SteeringShape


@dataclass(frozen=True, kw_only=True)
class Style:
    """A style of drawing: the package it comes from, the phrases that captions call it by, and how often it is shown.

    ``share`` is relative to the others': a style that is harder to learn is shown more.
    """

    name: str
    package: str
    phrases: tuple[str, ...]
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Which pictures are learned from, and how many are kept from training."""

    size: int
    concepts: tuple[str, ...]
    held_concepts: float
    held_pairs: float
    colours_each: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long and how fast a network learns. Lengths are in pictures seen, so that they do not depend on ``batch``.

    The rate rises over ``warm_up``, stays, and falls to zero over the last ``decay_share`` of ``pictures``. ``further`` is how
    many pictures are seen in training on from the shipped weights, None as many as from nothing.
    """

    batch: int
    pictures: int
    rate: float
    warm_up: int
    decay_share: float
    averaging: int
    clip: float
    further: int | None = None

    def going_on(self) -> Pace:
        """The pace of training on from the shipped weights."""
        return replace(self, pictures=self.further or self.pictures)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole training."""

    pictures: Pictures
    packages: dict[str, str]
    styles: tuple[Style, ...]
    autoencoder: AutoencoderShape
    autoencoder_pace: Pace
    denoiser: DenoiserShape
    denoiser_pace: Pace
    steering: SteeringShape
    steering_pace: Pace
    enlarger: EnlargerShape
    enlarger_pace: Pace
    scorer: ScorerShape
    scorer_pace: Pace


def read_config(path: Path) -> Config:
    """The training that the file describes; the list of concepts lies beside it."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    autoencoder, denoiser, enlarger = table["autoencoder"], table["denoiser"], table["enlarger"]
    control, scorer = table["control"], table["scorer"]
    return Config(
        pictures=_pictures(table["pictures"], path.parent),
        packages=dict(table["packages"]),
        styles=tuple(
            Style(name=name, package=style["package"], phrases=tuple(style["phrases"]), share=style.get("share", 1.0))
            for name, style in table["styles"].items()
        ),
        autoencoder_pace=Pace(**autoencoder.pop("pace")),
        autoencoder=AutoencoderShape(encoder=tuple(autoencoder["encoder"]), decoder=tuple(autoencoder["decoder"])),
        denoiser_pace=Pace(**denoiser.pop("pace")),
        denoiser=DenoiserShape(grid=table["pictures"]["size"] // 4, **denoiser),
        steering_pace=Pace(**control["pace"]),
        steering=SteeringShape(widths=tuple(control["widths"])),
        enlarger_pace=Pace(**enlarger.pop("pace")),
        enlarger=EnlargerShape(**enlarger),
        scorer_pace=Pace(**scorer.pop("pace")),
        scorer=_scorer(scorer, table["pictures"]["size"]),
    )


def _scorer(table: dict[str, Any], side: int) -> ScorerShape:
    concept, style, background = table["directions"]
    directions = (concept, style, background)
    return ScorerShape(side=side, widths=tuple(table["widths"]), reading=table["reading"], directions=directions)


def _pictures(table: dict[str, Any], folder: Path) -> Pictures:
    concepts: tuple[str, ...] = ()
    if table["concepts"]:
        concepts = tuple((folder / table["concepts"]).read_text(encoding="utf-8").splitlines())
    return Pictures(**(table | {"concepts": concepts}))
