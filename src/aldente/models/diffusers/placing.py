"""Putting the networks of a pipeline where a plan wants them."""

from __future__ import annotations

from typing import Any

import torch

from aldente.models.diffusers.plan import Plan
from aldente.models.diffusers.quantizing import quantize


def placed(pipeline: Any, denoiser: Any, plan: Plan) -> None:
    """Bring the parts of ``pipeline`` to the plan's device, in its formats, ready to be asked."""
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    vae = pipeline.vae
    dtype = getattr(torch, _vae_dtype(vae, plan))
    if vae.dtype != dtype:
        vae.to(dtype=dtype)
    if plan.vae_tiling:
        vae.enable_tiling()
    if plan.attention is not None:
        denoiser.set_attention_backend(plan.attention)
    if plan.channels_last:
        denoiser.to(memory_format=torch.channels_last)
        vae.to(memory_format=torch.channels_last)
    if plan.quantize is not None:
        quantize(denoiser, plan.quantize)
    _moved(pipeline, plan)
    if plan.compile:
        _compiled(denoiser)


def _compiled(denoiser: Any) -> None:
    """Have the blocks that repeat compiled when they first run; the whole network where diffusers names none."""
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks()
    else:
        denoiser.compile()


def _moved(pipeline: Any, plan: Plan) -> None:
    """To the device: all at once, each network when it is asked, or each layer."""
    if plan.offload == "parts":
        pipeline.enable_model_cpu_offload(device=plan.device)
    elif plan.offload == "layers":
        pipeline.enable_sequential_cpu_offload(device=plan.device)
    else:
        pipeline.to(plan.device)


def _vae_dtype(vae: Any, plan: Plan) -> str:
    if plan.vae_dtype is not None:
        return plan.vae_dtype
    return "float32" if plan.dtype == "float16" and vae.config.force_upcast else plan.dtype
