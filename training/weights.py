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
from training.enlarger_graph import write_enlarger
from training.graph import read_weights
from training.scorer_graph import write_scorer
from training.shape import DenoiserShape, EnlargerShape, ScorerShape
from training.steering_graph import write_control, write_inpainting

Weights = dict[str, np.ndarray]

TOKENIZER = "tokenizer.json"

AUTOENCODER, DENOISER = "autoencoder.safetensors", "denoiser.safetensors"
ENLARGER, SCORER, CONTROL = "enlarger.safetensors", "scorer.safetensors", "control.safetensors"
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


def shipped_control(folder: Path = WEIGHTS) -> tuple[Weights, dict[str, str]]:
    """The weights of both encoders of hints, and their shape, out of the shipped graphs."""
    if not (folder / "control.onnx").exists():
        raise SystemExit(f"there are no encoders of hints in {folder}: train them from nothing, or export them first.")
    control, about = read_weights(folder / "control.onnx")
    inpainting, _ = read_weights(folder / "inpainting.onnx")
    return control | inpainting, about


def shipped(name: str, folder: Path = WEIGHTS) -> tuple[Weights, dict[str, str]]:
    """The weights and the shape out of the one shipped graph called ``name``."""
    return read_weights(folder / f"{name}.onnx")


def export(work: Path, folder: Path) -> Path:
    """Write into ``folder`` what aldente ships of every network whose weights are in ``work``."""
    exporters = {
        AUTOENCODER: _export_autoencoder,
        DENOISER: _export_denoiser,
        CONTROL: _export_control,
        ENLARGER: _export_enlarger,
        SCORER: _export_scorer,
    }
    learned = [name for name in exporters if (work / name).exists()]
    if not learned:
        raise SystemExit(f"nothing was learned in {work} yet: there is no {', '.join(exporters)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in learned:
        exporters[name](folder, *read(work / name))
    if folder.resolve() != WEIGHTS.resolve():
        shutil.copy(WEIGHTS / TOKENIZER, folder)
    return folder


def _export_autoencoder(folder: Path, weights: Weights, about: dict[str, str]) -> None:
    write_encoder(folder / "encoder.onnx", weights, statistics_of(about))
    write_decoder(folder / "decoder.onnx", weights, statistics_of(about))


def _export_denoiser(folder: Path, weights: Weights, about: dict[str, str]) -> None:
    shape = DenoiserShape.from_text(about)
    write_conditioner(folder / "conditioner.onnx", weights, shape)
    write_denoiser(folder / "denoiser.onnx", weights, shape)


def _export_control(folder: Path, weights: Weights, about: dict[str, str]) -> None:
    shape = DenoiserShape.from_text(about)
    write_control(folder / "control.onnx", weights, shape, about)
    write_inpainting(folder / "inpainting.onnx", weights, shape, about)


def _export_enlarger(folder: Path, weights: Weights, about: dict[str, str]) -> None:
    write_enlarger(folder / "enlarger.onnx", weights, EnlargerShape.from_text(about))


def _export_scorer(folder: Path, weights: Weights, about: dict[str, str]) -> None:
    write_scorer(folder / "scorer.onnx", weights, ScorerShape.from_text(about))
