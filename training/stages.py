"""The stages that learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from training import examples, large, matching
from training.autoencoding import Autoencoding
from training.config import Config
from training.denoising import Denoising
from training.enlarger_network import Enlarger
from training.enlarging import Enlarging
from training.loop import Session, train
from training.network import Autoencoder, Denoiser
from training.scorer_network import Scorer
from training.scoring import Scoring
from training.shape import DenoiserShape
from training.steering import Steered
from training.steering_network import Steering
from training.weights import (
    AUTOENCODER,
    CONTROL,
    DENOISER,
    Weights,
    read,
    shipped_autoencoder,
    shipped_control,
    shipped_denoiser,
    write,
)
from training.weights import shipped as shipped_weights


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """How a stage is run: chance, time and device."""

    seed: int
    minutes: float | None
    checkpoint_minutes: float
    device: torch.device
    compiled: bool = True

    def session(self, work: Path, name: str) -> Session:
        """The session of the stage ``name``."""
        return Session(
            work=work,
            name=name,
            seed=self.seed,
            minutes=self.minutes,
            minutes_between_checkpoints=self.checkpoint_minutes,
        )


def learn_autoencoder(config: Config, work: Path, pacing: Pacing, *, shipped: bool) -> None:
    """Train the autoencoder, or take the shipped one as it is: new latents would make the shipped denoiser worthless."""
    if shipped:
        write(work / AUTOENCODER, *shipped_autoencoder())
        return
    task = Autoencoding(Autoencoder(config.autoencoder), work, pacing.device)
    train(task, config.autoencoder_pace, pacing.session(work, "autoencoder"))


def learn_denoiser(config: Config, work: Path, pacing: Pacing, *, shipped: bool) -> None:
    """Train the denoiser; from the shipped weights, whatever of the network they do not hold starts new."""
    if not (work / examples.CACHE).exists():
        examples.prepare(config, work, pacing.seed)
    network, pace = Denoiser(config.denoiser), config.denoiser_pace
    if shipped:
        pace = pace.going_on()
        weights, _ = shipped_denoiser()
        known = {name: torch.from_numpy(value) for name, value in weights.items()}
        absent = network.load_state_dict(known, strict=False)
        if absent.unexpected_keys:
            raise SystemExit(f"the shipped weights do not fit this configuration: {', '.join(absent.unexpected_keys[:3])}, ...")
    task = Denoising(network, config.styles, work, pacing.device, compiled=pacing.compiled)
    train(task, pace, pacing.session(work, "denoiser"))


def learn_control(config: Config, work: Path, pacing: Pacing, *, shipped: bool) -> None:
    """Train the encoders of hints on the denoiser in ``work``, or on the shipped one if there is none.

    They start from what was learned in ``work`` before, maybe on another denoiser, else from the shipped ones if these
    are asked for, else new.
    """
    if not (work / examples.CACHE).exists():
        examples.prepare(config, work, pacing.seed)
    weights, about = read(work / DENOISER) if (work / DENOISER).exists() else shipped_denoiser()
    base = Denoiser(DenoiserShape.from_text(about))
    base.load_state_dict(_tensors(weights))
    network = Steering(config.steering, base.shape)
    if (work / CONTROL).exists():
        network.load_state_dict(_tensors(read(work / CONTROL)[0]))
    elif shipped:
        network.load_state_dict(_tensors(shipped_control()[0]))
    task = Steered(network, base, config, work, pacing.seed, pacing.device, compiled=pacing.compiled)
    train(task, config.steering_pace, pacing.session(work, "control"))


def learn_enlarger(config: Config, work: Path, pacing: Pacing, *, shipped: bool) -> None:
    """Train the enlarger on what the autoencoder in ``work`` makes of pictures."""
    large.prepare(config, work)
    network = Enlarger(config.enlarger)
    if shipped:
        network.load_state_dict(_tensors(shipped_weights("enlarger")[0]))
    train(Enlarging(network, config, work, pacing.device), config.enlarger_pace, pacing.session(work, "enlarger"))


def learn_scorer(config: Config, work: Path, pacing: Pacing, *, shipped: bool) -> None:
    """Train the scorer on pictures, as they are and as the autoencoder in ``work`` gives them back, and their captions."""
    if not (work / matching.CACHE).exists():
        matching.prepare(config, work, pacing.seed)
    network = Scorer(config.scorer)
    if shipped:
        # The graph has no use for the temperature of training, which starts anew.
        network.load_state_dict(_tensors(shipped_weights("scorer")[0]), strict=False)
    train(Scoring(network, config, work, pacing.device), config.scorer_pace, pacing.session(work, "scorer"))


def _tensors(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in weights.items()}
