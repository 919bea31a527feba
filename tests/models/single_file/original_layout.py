"""Diffusers folders as one file of the original layout: the other direction of what aldente opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file

from aldente.models.checkpoints.folders import inspect_folder
from aldente.models.single_file import names
from aldente.models.single_file.opening import _DENOISERS, _encoders


def save_original(
    folder: Path, path: Path, *, dtype: torch.dtype = torch.float32, metadata: dict[str, str] | None = None
) -> Path:
    """Write a diffusers folder as one file."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    told = {"modelspec.prediction_type": "v"} if pipeline.scheduler.config.get("prediction_type") == "v_prediction" else {}
    tensors = {name: value.contiguous() for name, value in original_tensors(pipeline, folder).items()}
    if pipeline.scheduler.config.get("rescale_betas_zero_snr"):
        tensors["ztsnr"] = torch.tensor([])
    save_file(tensors, path, told)
    return path


def original_tensors(pipeline: Any, folder: Path) -> dict[str, torch.Tensor]:
    architecture = inspect_folder(folder).architecture
    assert architecture is not None
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    kind = "unet" if hasattr(pipeline, "unet") else "flux" if architecture.startswith("flux") else "sd3"
    found = renamed(denoiser.state_dict(), _DENOISERS[kind][1](denoiser.config))
    found |= renamed(pipeline.vae.state_dict(), names.vae(pipeline.vae.config), convolved=True)
    for part, (_, naming, _) in _encoders(architecture).items():
        found |= renamed(getattr(pipeline, part).state_dict(), naming)
    return found


def renamed(state: Mapping[str, torch.Tensor], naming: names.Naming, *, convolved: bool = False) -> dict[str, torch.Tensor]:
    """A network's tensors under their original names; the attention of autoencoders as the convolutions that it was."""
    parts: dict[str, dict[int, torch.Tensor]] = {}
    for name, value in state.items():
        origin = naming(name)
        formed = value.roll(value.shape[0] // 2, 0) if origin.form == "swap" else value.T if origin.form == "turned" else value
        if convolved and ".attn_1." in origin.name and formed.ndim == 2:
            formed = formed[..., None, None]
        parts.setdefault(origin.name, {})[origin.part] = formed
    return {
        name: torch.cat([found[part] for part in sorted(found)]) if len(found) > 1 else found[0]
        for name, found in parts.items()
    }
