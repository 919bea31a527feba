"""The two stages that learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from training import examples
from training.autoencoding import Autoencoding
from training.config import Config
from training.denoising import Denoising
from training.loop import Session, train
from training.network import Autoencoder, Denoiser
from training.weights import AUTOENCODER, shipped_autoencoder, shipped_denoiser, write


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
    network = Denoiser(config.denoiser)
    if shipped:
        weights, _ = shipped_denoiser()
        known = {name: torch.from_numpy(value) for name, value in weights.items()}
        absent = network.load_state_dict(known, strict=False)
        if absent.unexpected_keys:
            raise SystemExit(f"the shipped weights do not fit this configuration: {', '.join(absent.unexpected_keys[:3])}, ...")
    task = Denoising(network, config.styles, work, pacing.device, compiled=pacing.compiled)
    train(task, config.denoiser_pace, pacing.session(work, "denoiser"))
