"""From the parts of a pipeline to the networks that aldente runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.diffusers.clip import ClipReader
from aldente.models.diffusers.features import Network
from aldente.models.diffusers.t5 import T5Reader
from aldente.models.diffusers.transformers import SD3, Flux
from aldente.models.diffusers.unet import UNet

Inversions = Mapping[str, Mapping[str, Tensor]]
"""The rows that each textual inversion adds, by the text encoder's part name."""

SD3_LENGTH, DEV_LENGTH, SCHNELL_LENGTH = 256, 512, 256
"""The tokens that T5 reads, as the networks were trained."""

KNOWN = ("UNet2DConditionModel", "SD3Transformer2DModel", "FluxTransformer2DModel")
"""The denoisers that aldente runs itself."""


def network_of(pipeline: Any, inversions: Inversions, device: str) -> Network:
    """The denoiser of a pipeline with its text encoders; raises UserError where aldente does not know its kind."""
    denoiser = denoiser_of(pipeline)
    kind = type(denoiser).__name__
    if kind == "FluxTransformer2DModel":
        length = DEV_LENGTH if denoiser.config.guidance_embeds else SCHNELL_LENGTH
        t5 = T5Reader(pipeline.tokenizer_2, pipeline.text_encoder_2, length=length, device=device)
        return Flux(denoiser, _clip(pipeline, "", inversions, device, layer=1, normed=True), t5)
    if kind == "SD3Transformer2DModel":
        clips = [_clip(pipeline, suffix, inversions, device, layer=2, normed=False) for suffix in ("", "_2")]
        long = pipeline.text_encoder_3
        reader = None if long is None else T5Reader(pipeline.tokenizer_3, long, length=SD3_LENGTH, device=device)
        return SD3(denoiser, clips, reader, length=SD3_LENGTH)
    if denoiser.config.addition_embed_type == "text_time":
        present = [suffix for suffix in ("", "_2") if getattr(pipeline, f"text_encoder{suffix}") is not None]
        clips = [_clip(pipeline, suffix, inversions, device, layer=2, normed=False) for suffix in present]
        return UNet(denoiser, clips, empty_is_nothing=bool(pipeline.config.get("force_zeros_for_empty_prompt", False)))
    return UNet(denoiser, [_clip(pipeline, "", inversions, device, layer=1, normed=True)], empty_is_nothing=False)


def denoiser_of(pipeline: Any) -> Any:
    """The denoiser among a pipeline's parts; raises UserError where it is none that aldente runs itself."""
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    kind = type(denoiser).__name__
    if kind not in KNOWN:
        raise UserError(
            f"the pipeline {type(pipeline).__name__} has a denoiser of the kind {kind}, which aldente does not run itself;"
            f" it runs: {', '.join(KNOWN)}."
        )
    return denoiser


def speaks(pipeline: Any) -> bool:
    """Whether aldente runs a pipeline's denoiser itself."""
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    return type(denoiser).__name__ in KNOWN


def _clip(pipeline: Any, suffix: str, inversions: Inversions, device: str, *, layer: int, normed: bool) -> ClipReader:
    part = f"text_encoder{suffix}"
    tokenizer, encoder = getattr(pipeline, f"tokenizer{suffix}"), getattr(pipeline, part)
    return ClipReader(tokenizer, encoder, layer=layer, normed=normed, device=device, inversions=inversions.get(part))
