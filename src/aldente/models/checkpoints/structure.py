"""What a file is and which network it belongs to, told from the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable

from aldente.models.checkpoints.adapters import lora_structure
from aldente.models.checkpoints.facts import CONTEXTS, Architecture, Structure
from aldente.models.checkpoints.header import Header

DENOISER = "model.diffusion_model."
"""What the names of the denoiser begin with in a whole checkpoint."""


_PATCHES: dict[int, Architecture] = {64: "sd1", 192: "sd1", 256: "sdxl", 768: "sdxl"}
"""The channels of the patches that T2I-Adapters look at, of grey pictures and of colours."""


def structure_of(header: Header) -> Structure:
    """The structure; kind ``unknown`` where nothing fits."""
    for look in (_adapter, lora_structure, _controlnet, _checkpoint, _denoiser, _vae, _text_encoder, _embedding, _upscaler):
        found = look(header)
        if found is not None:
            return found
    return Structure("unknown")


def parts_of(header: Header) -> tuple[str, ...]:
    """The parts of a whole checkpoint: which of denoiser, text encoder and autoencoder it holds."""
    marks = {
        "denoiser": (DENOISER,),
        "text encoder": ("cond_stage_model.", "conditioner.embedders.", "text_encoders."),
        "vae": ("first_stage_model.", "vae."),
    }
    return tuple(part for part, begins in marks.items() if any(name.startswith(begins) for name in header.tensors))


def denoiser_prefix(header: Header) -> str:
    """What the denoiser's names begin with in this file."""
    return DENOISER if any(name.startswith(DENOISER) for name in header.tensors) else ""


def _checkpoint(header: Header) -> Structure | None:
    if not any(name.startswith(DENOISER) for name in header.tensors):
        return None
    found = _denoiser(header)
    if found is None:
        return Structure("checkpoint", layout="original")
    whole = len(parts_of(header)) > 1
    return found._replace(kind="checkpoint" if whole else "denoiser")


def _denoiser(header: Header) -> Structure | None:
    at = denoiser_prefix(header)
    if f"{at}joint_blocks.0.x_block.attn.qkv.weight" in header.tensors:
        return _sd3(header, at)
    if f"{at}double_blocks.0.img_attn.qkv.weight" in header.tensors:
        return _flux(header, at)
    if f"{at}input_blocks.0.0.weight" in header.tensors:
        return _unet(header, at)
    return _diffusers_denoiser(header)


def _unet(header: Header, at: str) -> Structure:
    inputs = header.shape(f"{at}input_blocks.0.0.weight")
    channels = inputs[1] if len(inputs) == 4 else None
    variant = {9: "inpaint", 8: "edit", 5: "depth", 7: "upscale"}.get(channels or 4, "")
    return Structure("denoiser", _unet_architecture(header, at), "original", variant, channels)


def _unet_architecture(header: Header, at: str) -> Architecture | None:
    context = next((e.shape[-1] for n, e in header.tensors.items() if n.endswith(".attn2.to_k.weight") and e.shape), 0)
    if f"{at}label_emb.0.0.weight" in header.tensors:
        if encoders := {name.split(".")[2] for name in header.tensors if name.startswith("conditioner.embedders.")}:
            return "sdxl" if "1" in encoders else "sdxl-refiner"
        # SDXL halves its sides twice, the refiner three times.
        levels = sum(f"{at}input_blocks.{number}.0.op.weight" in header.tensors for number in range(20))
        return CONTEXTS.get(context) if context in (2048, 1280) else "sdxl-refiner" if levels == 3 else "sdxl"
    if any(name.startswith("cond_stage_model.model.") for name in header.tensors):
        return "sd2"
    if any(name.startswith("cond_stage_model.transformer.") for name in header.tensors):
        return "sd1"
    return CONTEXTS.get(context)


def _sd3(header: Header, at: str) -> Structure:
    if f"{at}joint_blocks.0.x_block.attn2.qkv.weight" in header.tensors:
        architecture: Architecture = "sd3.5-medium"
    else:
        # Only the large one normalises queries and keys without a second attention.
        large = f"{at}joint_blocks.0.x_block.attn.ln_q.weight" in header.tensors
        architecture = "sd3.5-large" if large else "sd3"
    shape = header.shape(f"{at}x_embedder.proj.weight")
    return Structure("denoiser", architecture, "original", "", shape[1] if len(shape) == 4 else None)


def _flux(header: Header, at: str) -> Structure:
    if f"{at}distilled_guidance_layer.in_proj.weight" in header.tensors:
        return Structure("denoiser", None, "original", "chroma")
    guided = f"{at}guidance_in.in_layer.weight" in header.tensors
    shape = header.shape(f"{at}img_in.weight")
    width = shape[1] if len(shape) == 2 else None
    variant = {384: "inpaint", 128: "control"}.get(width or 64, "")
    return Structure("denoiser", "flux-dev" if guided else "flux-schnell", "original", variant, width)


def _diffusers_denoiser(header: Header) -> Structure | None:
    names = header.tensors
    if "conv_in.weight" in names and any(name.startswith("down_blocks.0.") and "mid_block" not in name for name in names):
        shape = header.shape("conv_in.weight")
        if "decoder.conv_in.weight" in names or "encoder.conv_in.weight" in names:
            return None
        context = next((e.shape[-1] for n, e in names.items() if n.endswith(".attn2.to_k.weight") and e.shape), 0)
        added = "add_embedding.linear_1.weight" in names
        architecture = CONTEXTS.get(context, "sdxl" if added else None)
        channels = shape[1] if len(shape) == 4 else None
        return Structure("denoiser", architecture, "diffusers", "inpaint" if channels == 9 else "", channels)
    if "transformer_blocks.0.attn.add_q_proj.weight" in names and "x_embedder.weight" in names:
        guided = any(name.startswith("time_text_embed.guidance_embedder.") for name in names)
        return Structure("denoiser", "flux-dev" if guided else "flux-schnell", "diffusers")
    if "transformer_blocks.0.attn.add_q_proj.weight" in names and "pos_embed.proj.weight" in names:
        medium = any(".attn2.to_q." in name for name in names)
        large = any(".attn.norm_q." in name for name in names)
        return Structure("denoiser", "sd3.5-medium" if medium else "sd3.5-large" if large else "sd3", "diffusers")
    return None


def _adapter(header: Header) -> Structure | None:
    names = header.tensors
    if any(name.startswith("ip_adapter.") for name in names) and any(name.startswith("image_proj.") for name in names):
        context = next((e.shape[-1] for n, e in names.items() if n.endswith("to_k_ip.weight") and e.shape), 0)
        return Structure("ip-adapter", CONTEXTS.get(context))
    if re.search(r"(?:^|\n)(?:adapter\.)?body\.0\.(?:resnets\.0\.)?block1\.weight", "\n".join(names)):
        shape = header.shape("conv_in.weight") or header.shape("adapter.conv_in.weight")
        return Structure("t2i-adapter", _PATCHES.get(shape[1]) if len(shape) == 4 else None)
    return None


def _controlnet(header: Header) -> Structure | None:
    names = header.tensors
    if "lora_controlnet" in names:
        return Structure("controlnet", _by_context(header), "control-lora")
    if any(
        name.startswith(("control_model.", "controlnet_cond_embedding.")) or name == "input_hint_block.0.weight"
        for name in names
    ):
        original = any("input_hint_block" in name for name in names)
        return Structure("controlnet", _by_context(header), "original" if original else "diffusers")
    if "controlnet_x_embedder.weight" in names:
        return Structure("controlnet", "flux-dev", "diffusers")
    if any(name.startswith("controlnet_blocks.") for name in names) and "pos_embed_input.proj.weight" in names:
        return Structure("controlnet", "sd3", "diffusers")
    return None


def _by_context(header: Header) -> Architecture | None:
    widths = (
        e.shape[-1] for n, e in header.tensors.items() if "attn2.to_k" in n and n.endswith("weight") and len(e.shape) == 2
    )
    return next((CONTEXTS[width] for width in widths if width in CONTEXTS), None)


def _vae(header: Header) -> Structure | None:
    at = next((p for p in ("", "first_stage_model.", "vae.") if f"{p}decoder.conv_in.weight" in header.tensors), None)
    if at is None or not any(name.startswith(f"{at}decoder.mid") for name in header.tensors):
        return None
    shape = header.shape(f"{at}decoder.conv_in.weight")
    layout = "diffusers" if any(name.startswith(f"{at}decoder.mid_block.") for name in header.tensors) else "original"
    return Structure("vae", None, layout, "", shape[1] if len(shape) == 4 else None)


def _embedding(header: Header) -> Structure | None:
    names = header.tensors
    if {"clip_l", "clip_g"} <= set(names):
        return Structure("embedding", "sdxl")
    known = [name for name in ("emb_params", "clip_l") if name in names]
    single = list(names) if len(names) == 1 and len(header.shape(next(iter(names)))) in (1, 2) else []
    for name in known or single:
        width = header.shape(name)[-1] if header.shape(name) else 0
        if known or width in CONTEXTS:
            return Structure("embedding", CONTEXTS.get(width))
    return None


def _text_encoder(header: Header) -> Structure | None:
    def has(ending: str) -> bool:
        return any(name.endswith(ending) for name in header.tensors)

    if has("text_model.embeddings.token_embedding.weight") or has("encoder.block.0.layer.0.SelfAttention.q.weight"):
        return Structure("text-encoder", None, "", "clip" if has("token_embedding.weight") else "t5")
    return None


def _upscaler(header: Header) -> Structure | None:
    marks: tuple[Callable[[str], bool], ...] = (
        lambda name: re.search(r"(?:^|\.)(?:model\.1\.sub\.0\.RDB1|RRDB_trunk\.0\.RDB1|body\.0\.rdb1)\.", name) is not None,
        lambda name: re.search(r"(?:^|\.)layers\.0\.residual_group\.blocks\.0\.", name) is not None,
        lambda name: re.search(r"(?:^|\.)(?:upsampler\.0|upconv1|conv_after_body|conv_up1)\.weight$", name) is not None,
    )
    if any(mark(name) for name in header.tensors for mark in marks):
        return Structure("upscaler")
    body = {
        int(found[1])
        for name in header.tensors
        if (found := re.fullmatch(r"(?:params(?:_ema)?\.)?body\.(\d+)\.(?:weight|bias)", name))
    }
    return Structure("upscaler") if len(body) > 8 else None
