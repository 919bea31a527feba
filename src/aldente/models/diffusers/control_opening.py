"""Opening control networks and adapters: from a diffusers folder, or from one file and the denoiser that it belongs to."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import read_header
from aldente.models.diffusers.control import ADAPTER
from aldente.models.diffusers.control_nets import ASKING, FLUX_MODES, SDXL_MODES
from aldente.models.diffusers.opening import WEIGHTS, first_line, quiet, variant_in
from aldente.models.diffusers.plan import Plan

_MODES = {"controlnet_mode_embedder.weight": FLUX_MODES, "task_embedding": SDXL_MODES}
"""The tensor of a union network that has a row for each of its modes."""


def modes_of(path: Path) -> tuple[str, ...]:
    """What a union network can take a picture for; empty for all others. Only heads of files are read."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    for file in files:
        header = read_header(file)
        for tensor, modes in _MODES.items():
            shape = header.shape(tensor)
            if shape:
                return modes[: shape[0]]
    return ()


def open_control(path: Path, pipeline: Any, plan: Plan) -> Any:
    """The control network or adapter in a diffusers folder or a file, for the denoiser of ``pipeline``.

    Raises UserError where it is none, or belongs to another denoiser.
    """
    with quiet():
        try:
            net = _folder(path) if path.is_dir() else _file(path, pipeline)
            if type(net).__name__ == "SD3ControlNetModel":
                _suited(net, pipeline.transformer)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise UserError(f"'{path}' cannot steer this checkpoint: {first_line(error)}") from error
    return net.eval().requires_grad_(False).to(device=plan.device, dtype=getattr(torch, plan.dtype))


def _suited(net: Any, transformer: Any) -> None:
    """A ControlNet of SD 3 that leaves the places to the denoiser, given them."""
    if net.config.extra_conditioning_channels:
        raise ValueError("it takes more than a control picture (a mask); ControlNets that fill masks are not known here.")
    if net.pos_embed is None:
        net.pos_embed = copy.deepcopy(transformer.pos_embed)


def _folder(path: Path) -> Any:
    told = json.loads((path / "config.json").read_text(encoding="utf-8"))
    name = str(told.get("_class_name"))
    if name not in (ADAPTER, *ASKING):
        raise ValueError(f"its configuration says {name}; known: {', '.join((ADAPTER, *ASKING))}.")
    variant = variant_in(path)
    return getattr(diffusers, name).from_pretrained(path, local_files_only=True, use_safetensors=True, variant=variant)


def _file(path: Path, pipeline: Any) -> Any:
    """A ControlNet in one file, named as diffusers or as its authors name its parts."""
    if path.stem.startswith(WEIGHTS) and (path.parent / "config.json").is_file():
        return _folder(path.parent)
    weights = load_file(path)
    if getattr(pipeline, "unet", None) is None:
        net = _beside_transformer(pipeline.transformer, weights)
    else:
        kind = diffusers.ControlNetUnionModel if "task_embedding" in weights else diffusers.ControlNetModel
        net = kind.from_unet(pipeline.unet, load_weights_from_unet=False)
        if not any(name.startswith("controlnet_cond_embedding.") for name in weights):
            weights = convert_controlnet_checkpoint(weights, config=dict(net.config))
    net.load_state_dict(weights)
    return net


def _beside_transformer(transformer: Any, weights: Mapping[str, Tensor]) -> Any:
    """An empty ControlNet like the denoiser, with as many blocks as the file has."""
    told = dict(transformer.config) | {"num_layers": _blocks(weights, "transformer_blocks")}
    if type(transformer).__name__ == "FluxTransformer2DModel":
        modes = weights.get("controlnet_mode_embedder.weight")
        return diffusers.FluxControlNetModel.from_config(
            told,
            num_single_layers=_blocks(weights, "single_transformer_blocks"),
            num_mode=None if modes is None else modes.shape[0],
            guidance_embeds="time_text_embed.guidance_embedder.linear_1.weight" in weights,
        )
    apart = "context_embedder.weight" not in weights
    return diffusers.SD3ControlNetModel.from_config(
        told,
        joint_attention_dim=None if apart else transformer.config.joint_attention_dim,
        pos_embed_type=None if apart else "sincos",
        use_pos_embed=any(name.startswith("pos_embed.") for name in weights),
        force_zeros_for_pooled_projection=not apart,
    )


def _blocks(weights: Mapping[str, Tensor], name: str) -> int:
    return len({key.split(".")[1] for key in weights if key.startswith(f"{name}.")})
