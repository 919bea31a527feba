"""What a checkpoint needs to draw a picture of a size under a plan, told before anything of it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch import nn

from aldente.models.diffusers.footprint import Footprint, built_in, footprint
from aldente.models.diffusers.plan import Plan

CLIP_TOKENS, LONG_TOKENS = 77, 512


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is to be drawn at once: ``rows`` of the denoiser in one call, and pictures of ``height`` x ``width`` pixels."""

    rows: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What each part needs: the denoiser for all rows at once, the autoencoder for a picture, a text encoder for a text.

    ``layers`` are the bytes of the largest layer of each, ``denoiser`` the kind of the denoiser.
    """

    parts: Mapping[str, Footprint]
    layers: Mapping[str, int]
    denoiser: str

    def peak(self, plan: Plan) -> int:
        """The most bytes on the device at any moment: what stays there, and the part at work."""
        if plan.offload == "layers":
            return max(self.layers[name] + part.activations for name, part in self.parts.items())
        if plan.offload == "parts":
            return max(part.peak for part in self.parts.values())
        held = sum(part.weights for part in self.parts.values())
        return held + max(part.activations for part in self.parts.values())


def needs(folder: Path, plan: Plan, drawing: Drawing) -> Needs:
    """What the checkpoint in the diffusers ``folder`` needs for ``drawing``; a second or two, no weight is read."""
    return _needs(folder, replace(plan, device="cpu", offload="none", rows=None, threads=None, compile=False), drawing)


@lru_cache(maxsize=64)
def _needs(folder: Path, plan: Plan, drawing: Drawing) -> Needs:
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    found, layers = {}, {}
    for name, (library, kind) in _networks(index).items():
        build = _builder(folder / name, library, kind)
        call = _call(kind, drawing, pooled_of=_pooled(folder), tiled=plan.vae_tiling)
        dtype = plan.vae_dtype or plan.dtype if name == "vae" else plan.dtype
        with built_in(getattr(torch, dtype)):
            found[name] = footprint(build, call)
            layers[name] = _largest_layer(build)
    denoiser = index.get("unet") or index.get("transformer")
    return Needs(parts=found, layers=layers, denoiser=str(denoiser[1]))


def _networks(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The parts that are networks of which one is at work while a picture is drawn."""
    named = {name: tuple(value) for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    return {
        name: (str(library), str(kind))
        for name, (library, kind) in named.items()
        if kind and (name in ("unet", "transformer", "vae") or name.startswith("text_encoder"))
    }


def _builder(folder: Path, library: str, kind: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        if library == "transformers":
            network: nn.Module = getattr(transformers, kind)(transformers.AutoConfig.from_pretrained(folder))
        else:
            network = getattr(diffusers, kind).from_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        return network.eval()

    return build


def _call(kind: str, drawing: Drawing, *, pooled_of: int, tiled: bool) -> Callable[[Any], object]:
    """A call of a network as large as the drawing makes it."""
    rows, dtype = drawing.rows, torch.get_default_dtype

    def denoise(network: Any) -> object:
        config = network.config
        inputs = torch.zeros(rows, config.in_channels, drawing.height // 8, drawing.width // 8, dtype=dtype())
        text = torch.zeros(rows, CLIP_TOKENS, config.cross_attention_dim, dtype=dtype())
        told = None
        if config.addition_embed_type == "text_time":
            count = (config.projection_class_embeddings_input_dim - pooled_of) // config.addition_time_embed_dim
            told = {"text_embeds": torch.zeros(rows, pooled_of, dtype=dtype()), "time_ids": torch.zeros(rows, count)}
        return network(inputs, torch.zeros(rows), text, added_cond_kwargs=told, return_dict=False)

    def flow(network: Any) -> object:
        config = network.config
        inputs = torch.zeros(rows, config.in_channels, drawing.height // 8, drawing.width // 8, dtype=dtype())
        text = torch.zeros(rows, CLIP_TOKENS + 256, config.joint_attention_dim, dtype=dtype())
        pooled = torch.zeros(rows, config.pooled_projection_dim, dtype=dtype())
        return network(inputs, text, pooled, torch.zeros(rows), return_dict=False)

    def patches(network: Any) -> object:
        config, count = network.config, drawing.height * drawing.width // 256
        return network(
            hidden_states=torch.zeros(rows, count, config.in_channels, dtype=dtype()),
            encoder_hidden_states=torch.zeros(rows, LONG_TOKENS, config.joint_attention_dim, dtype=dtype()),
            pooled_projections=torch.zeros(rows, config.pooled_projection_dim, dtype=dtype()),
            timestep=torch.zeros(rows),
            img_ids=torch.zeros(count, 3),
            txt_ids=torch.zeros(LONG_TOKENS, 3),
            guidance=torch.zeros(rows) if config.guidance_embeds else None,
            return_dict=False,
        )

    def decode(network: Any) -> object:
        scale = 2 ** (len(network.config.block_out_channels) - 1)
        most = network.tile_latent_min_size if tiled else max(drawing.height, drawing.width)
        sides = [min(side // scale, most) for side in (drawing.height, drawing.width)]
        whole = torch.zeros(3, drawing.height, drawing.width, dtype=dtype()) if tiled else None
        return whole, network.decode(torch.zeros(1, network.config.latent_channels, *sides, dtype=dtype()), return_dict=False)

    def read(network: Any) -> object:
        tokens = LONG_TOKENS if kind.startswith("T5") else CLIP_TOKENS
        return network(torch.zeros(1, tokens, dtype=torch.int64))

    calls = {
        "UNet2DConditionModel": denoise,
        "SD3Transformer2DModel": flow,
        "FluxTransformer2DModel": patches,
        "AutoencoderKL": decode,
    }
    return calls.get(kind, read)


def _pooled(folder: Path) -> int:
    """The width of the pooled text that SDXL reads."""
    path = folder / "text_encoder_2" / "config.json"
    return int(json.loads(path.read_text(encoding="utf-8")).get("projection_dim", 0)) if path.exists() else 0


def _largest_layer(build: Callable[[], nn.Module]) -> int:
    """The bytes of the largest module that has weights of its own: what is on the device when layers come one by one."""
    with torch.device("meta"):
        network = build()
    own = [sum(weights.nbytes for weights in module.parameters(recurse=False)) for module in network.modules()]
    return max(own)
