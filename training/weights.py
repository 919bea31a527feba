"""Weights on their way: from training to the shipped graphs, and back out of these to train on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from aldente.models.pastina.model import WEIGHTS
from training.autoencoder_graph import statistics_of, write_decoder, write_encoder
from training.denoiser_graph import write_conditioner, write_denoiser
from training.graph import read_weights
from training.shape import DenoiserShape

Weights = dict[str, np.ndarray]

TOKENIZER = "tokenizer.json"

AUTOENCODER, DENOISER = "autoencoder.safetensors", "denoiser.safetensors"
"""Where in the work folder a stage leaves what it learned."""


def write(path: Path, weights: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    """Write weights and what is to be known about them, whole or not at all."""
    scratch = path.with_suffix(".part")
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, scratch, dict(about))
    scratch.replace(path)


def read(path: Path) -> tuple[Weights, dict[str, str]]:
    """What ``write`` wrote."""
    with safe_open(path, "np") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}, dict(stored.metadata())  # noqa: SIM118


def shipped_autoencoder(folder: Path = WEIGHTS) -> tuple[Weights, dict[str, str]]:
    """The autoencoder's weights and statistics out of the shipped graphs."""
    encoder, about = read_weights(folder / "encoder.onnx")
    decoder, _ = read_weights(folder / "decoder.onnx")
    return encoder | decoder, about


def shipped_denoiser(folder: Path = WEIGHTS) -> tuple[Weights, dict[str, str]]:
    """The denoiser's weights and shape out of the shipped graphs."""
    conditioner, about = read_weights(folder / "conditioner.onnx")
    denoiser, _ = read_weights(folder / "denoiser.onnx")
    return conditioner | denoiser, about


def export(work: Path, folder: Path) -> Path:
    """Write all that aldente ships from the weights in ``work`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, about = read(work / AUTOENCODER)
    write_encoder(folder / "encoder.onnx", weights, statistics_of(about))
    write_decoder(folder / "decoder.onnx", weights, statistics_of(about))
    weights, about = read(work / DENOISER)
    shape = DenoiserShape.from_text(about)
    write_conditioner(folder / "conditioner.onnx", weights, shape)
    write_denoiser(folder / "denoiser.onnx", weights, shape)
    if folder != WEIGHTS:
        shutil.copy(WEIGHTS / TOKENIZER, folder)
    return folder
