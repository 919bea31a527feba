"""What each kind of control network is asked, and what its answer adds to the blocks of a denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aldente.models.diffusers.features import Features, Network, Residuals
from aldente.models.diffusers.transformers import SD3, Flux, packed, places
from aldente.models.diffusers.unet import UNet

FLUX_MODES = ("canny", "tile", "depth", "blur", "pose", "gray", "low-quality")
"""What the union ControlNets of FLUX take a picture for, in the order of their numbers."""

SDXL_MODES = ("openpose", "depth", "softedge", "canny", "normal", "segmentation", "tile", "repaint")
"""What the union ControlNets of SDXL take a picture for, in the order of their numbers."""

TOLD = 3.5
"""The guidance that a ControlNet of FLUX dev is told where the denoiser is told none."""


class Question(NamedTuple):
    """Rows about which a network is asked: latents, timesteps and prompts, and their pictures as ``planes`` from 0 to 1.

    ``latents`` gives the latents of the pictures; ``offset`` is what the autoencoder's shift takes from each. ``mode`` is the
    number of a union network's mode.
    """

    x: Tensor
    times: Tensor
    rows: Sequence[Features]
    planes: Tensor
    latents: Callable[[], Tensor]
    offset: float
    mode: int


class Asking(NamedTuple):
    """How a kind of network is asked: for which denoiser, what it answers, and which block each part of the answer is for."""

    denoiser: type[Network]
    ask: Callable[[Any, Any, Question], Residuals]
    laid_out: Callable[[Any, Any, Residuals], Residuals]


def _controlnet(net: Any, unet: UNet, question: Question) -> Residuals:
    """A ControlNet of a U-Net [Zhang 2023c]."""
    return _beside_unet(net, unet, question, controlnet_cond=question.planes)


def _union(net: Any, unet: UNet, question: Question) -> Residuals:
    """A ControlNet of SDXL that is told for what to take its picture."""
    chosen = torch.zeros(len(question.rows), net.config.num_control_type).to(question.x)
    chosen[:, question.mode] = 1.0
    told = {"control_type": chosen, "control_type_idx": [question.mode]}
    return _beside_unet(net, unet, question, controlnet_cond=[question.planes], **told)


def _beside_unet(net: Any, unet: UNet, question: Question, **shown: Any) -> Residuals:
    """What a ControlNet of a U-Net answers that is ``shown`` pictures in its way."""
    skips, middle = net(
        question.x,
        question.times,
        encoder_hidden_states=_contexts(question),
        added_cond_kwargs=unet.sizes(question.x, question.rows),
        return_dict=False,
        **shown,
    )
    return Residuals(skips=tuple(skips), middle=middle)


def _sd3(net: Any, _network: SD3, question: Question) -> Residuals:
    """A ControlNet of SD 3; the first ones were trained on latents that are not shifted, and without the pooled prompt."""
    pooled, latents = _pooled(question), question.latents()
    if net.config.force_zeros_for_pooled_projection:
        pooled, latents = torch.zeros_like(pooled), latents + question.offset
    skips = net(
        hidden_states=question.x,
        timestep=question.times,
        encoder_hidden_states=None if net.context_embedder is None else _contexts(question),
        pooled_projections=pooled,
        controlnet_cond=latents.to(question.x),
        return_dict=False,
    )[0]
    return Residuals(skips=tuple(skips))


def _flux(net: Any, _network: Flux, question: Question) -> Residuals:
    """A ControlNet of FLUX; some look at the picture itself, others at its latent."""
    x, context = question.x, _contexts(question)
    height, width = x.shape[2] // 2, x.shape[3] // 2
    shown = packed(question.latents()) if net.input_hint_block is None else 2.0 * question.planes - 1.0
    told = [TOLD if row.distilled is None else row.distilled for row in question.rows]
    mode = torch.full((len(question.rows), 1), question.mode, device=x.device)
    skips, inner = net(
        hidden_states=packed(x),
        controlnet_cond=shown.to(x),
        controlnet_mode=mode if net.union else None,
        timestep=question.times / 1000,
        guidance=torch.tensor(told, dtype=torch.float32, device=x.device) if net.config.guidance_embeds else None,
        pooled_projections=_pooled(question),
        encoder_hidden_states=context,
        txt_ids=torch.zeros(context.shape[1], 3, device=x.device, dtype=x.dtype),
        img_ids=places(height, width, x),
        return_dict=False,
    )
    return Residuals(skips=tuple(skips or ()), inner=tuple(inner or ()))


def _as_it_is(_net: Any, _network: UNet, found: Residuals) -> Residuals:
    return found


def _over_sd3(_net: Any, network: SD3, found: Residuals) -> Residuals:
    """A network of fewer blocks steers several of the denoiser's by one of its own."""
    share = network.blocks / len(found.skips)
    return replace(found, skips=tuple(found.skips[int(block / share)] for block in range(network.blocks)))


def _over_flux(net: Any, network: Flux, found: Residuals) -> Residuals:
    """Blocks in a row share one part, and those of a network that looks at the picture itself take turns."""
    double, single = network.blocks
    turns = net.input_hint_block is not None
    return Residuals(skips=_shared(found.skips, double, turns=turns), inner=_shared(found.inner, single, turns=False))


def _shared(parts: tuple[Tensor, ...], blocks: int, *, turns: bool) -> tuple[Tensor, ...]:
    if not parts:
        return ()
    each = math.ceil(blocks / len(parts))
    return tuple(parts[block % len(parts) if turns else block // each] for block in range(blocks))


def _contexts(question: Question) -> Tensor:
    return torch.cat([row.context for row in question.rows])


def _pooled(question: Question) -> Tensor:
    return torch.cat([row.pooled for row in question.rows if row.pooled is not None])


ASKING: Mapping[str, Asking] = {
    "ControlNetModel": Asking(UNet, _controlnet, _as_it_is),
    "ControlNetUnionModel": Asking(UNet, _union, _as_it_is),
    "SD3ControlNetModel": Asking(SD3, _sd3, _over_sd3),
    "FluxControlNetModel": Asking(Flux, _flux, _over_flux),
}
"""Each kind of control network by its class."""
