"""What a checkpoint needs to draw a picture of a size under a plan, told without computing anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from aldente.models.diffusers.footprint import Footprint, built_in, footprint
from aldente.models.diffusers.plan import Plan, Quantize
from aldente.models.diffusers.quantizing import quantize

CLIP_TOKENS, SHORT_TOKENS, LONG_TOKENS = 77, 256, 512

DENOISERS = ("unet", "transformer")


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

    @property
    def drawing(self) -> Footprint:
        """What the denoiser needs."""
        return next(self.parts[name] for name in DENOISERS if name in self.parts)


def needs(pipeline: Any, plan: Plan, drawing: Drawing) -> Needs:
    """What a pipeline's networks need for ``drawing``; a second or two for a large one, nothing is computed or allocated."""
    networks = {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
    second = networks.get("text_encoder_2")
    pooled = getattr(second.config, "projection_dim", 0) if second is not None else 0
    found, layers = {}, {}
    for name, network in networks.items():
        tiled = name == "vae" and plan.vae_tiling
        dtype = str(network.dtype).removeprefix("torch.") if name == "vae" and plan.vae_dtype is None else plan.dtype
        kind: Any = type(network)
        fewer = plan.quantize if name in DENOISERS else None
        found[name] = _traced(kind, _config(network), dtype, drawing, pooled, tiled, fewer)
        layers[name] = _largest_layer(network)
    denoiser = next(type(networks[name]).__name__ for name in DENOISERS if name in networks)
    return Needs(parts=found, layers=layers, denoiser=denoiser)


@lru_cache(maxsize=256)
def _traced(
    kind: Any, config: str, dtype: str, drawing: Drawing, pooled: int, tiled: bool, fewer: Quantize | None
) -> Footprint:
    def build() -> nn.Module:
        told = json.loads(config)
        network: nn.Module = kind.from_config(told) if hasattr(kind, "from_config") else kind(kind.config_class(**told))
        if fewer is not None:
            quantize(network, fewer)
        return network.eval()

    with built_in(getattr(torch, dtype)):
        return footprint(build, _call(kind.__name__, drawing, pooled=pooled, tiled=tiled))


def _config(network: Any) -> str:
    """A network's configuration, which makes another like it."""
    config = network.config
    return json.dumps(config.to_dict() if hasattr(config, "to_dict") else dict(config), sort_keys=True, default=str)


def _call(kind: str, drawing: Drawing, *, pooled: int, tiled: bool) -> Callable[[Any], object]:
    """A call of a network as large as the drawing makes it."""
    if kind == "UNet2DConditionModel":
        return lambda network: _unet(network, drawing, pooled)
    if kind == "SD3Transformer2DModel":
        return lambda network: _sd3(network, drawing)
    if kind == "FluxTransformer2DModel":
        return lambda network: _flux(network, drawing)
    if kind == "AutoencoderKL":
        return lambda network: _decode(network, drawing, tiled=tiled)
    return lambda network: network(torch.zeros(1, LONG_TOKENS if kind.startswith("T5") else CLIP_TOKENS, dtype=torch.int64))


def _unet(unet: Any, drawing: Drawing, pooled: int) -> object:
    config, rows = unet.config, drawing.rows
    told = None
    if config.addition_embed_type == "text_time":
        count = (config.projection_class_embeddings_input_dim - pooled) // config.addition_time_embed_dim
        told = {"text_embeds": _state(rows, pooled), "time_ids": _state(rows, count)}
    text = _state(rows, CLIP_TOKENS, config.cross_attention_dim)
    return unet(_latents(config, drawing), torch.zeros(rows), text, added_cond_kwargs=told, return_dict=False)


def _sd3(transformer: Any, drawing: Drawing) -> object:
    config, rows = transformer.config, drawing.rows
    text = _state(rows, CLIP_TOKENS + SHORT_TOKENS, config.joint_attention_dim)
    pooled = _state(rows, config.pooled_projection_dim)
    return transformer(_latents(config, drawing), text, pooled, torch.zeros(rows), return_dict=False)


def _flux(transformer: Any, drawing: Drawing) -> object:
    config, rows, cells = transformer.config, drawing.rows, drawing.height * drawing.width // 256
    return transformer(
        hidden_states=_state(rows, cells, config.in_channels),
        encoder_hidden_states=_state(rows, LONG_TOKENS, config.joint_attention_dim),
        pooled_projections=_state(rows, config.pooled_projection_dim),
        timestep=torch.zeros(rows),
        img_ids=torch.zeros(cells, 3),
        txt_ids=torch.zeros(LONG_TOKENS, 3),
        guidance=torch.zeros(rows) if config.guidance_embeds else None,
        return_dict=False,
    )


def _decode(vae: Any, drawing: Drawing, *, tiled: bool) -> object:
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    most = vae.tile_latent_min_size if tiled else max(drawing.height, drawing.width)
    sides = [min(side // scale, most) for side in (drawing.height, drawing.width)]
    whole = _state(3, drawing.height, drawing.width) if tiled else None
    return whole, vae.decode(_state(1, vae.config.latent_channels, *sides), return_dict=False)


def _latents(config: Any, drawing: Drawing) -> torch.Tensor:
    return _state(drawing.rows, config.in_channels, drawing.height // 8, drawing.width // 8)


def _state(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.get_default_dtype())


def _largest_layer(network: nn.Module) -> int:
    """The bytes of the largest module that has weights of its own: what is on the device when layers come one by one."""
    return max(sum(weights.nbytes for weights in module.parameters(recurse=False)) for module in network.modules())
