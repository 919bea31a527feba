"""Files of weights as users have them: real names and shapes, in files with holes where the numbers would be."""

from __future__ import annotations

import json
import math
from pathlib import Path

from aldente.models.checkpoints.header import BITS, Entry, Header

UNET = "model.diffusion_model."


def header(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None, dtype: str = "F16") -> Header:
    tensors, at = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * BITS[dtype] // 8
        tensors[name] = Entry(dtype, shape, at, at + size)
        at += size
    return Header(tensors=tensors, metadata=metadata or {}, data_start=0)


def write(path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None, dtype: str = "F16") -> Path:
    """A file as large as it says, that takes no room: its numbers are a hole of zeros."""
    head = header(shapes, metadata, dtype)
    table = {n: {"dtype": e.dtype, "shape": list(e.shape), "data_offsets": [e.start, e.end]} for n, e in head.tensors.items()}
    content = json.dumps({**({"__metadata__": metadata} if metadata else {}), **table}).encode()
    with path.open("wb") as stream:
        stream.write(len(content).to_bytes(8, "little") + content)
        stream.truncate(8 + len(content) + max((e.end for e in head.tensors.values()), default=0))
    return path


def unet(context: int, *, inputs: int = 4, adm: int = 0, downs: int = 3) -> dict[str, tuple[int, ...]]:
    shapes = {
        f"{UNET}input_blocks.0.0.weight": (320, inputs, 3, 3),
        f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, context),
        f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias": (320,),
        f"{UNET}out.2.weight": (4, 320, 3, 3),
    }
    shapes |= {f"{UNET}input_blocks.{3 * number}.0.op.weight": (320, 320, 3, 3) for number in range(1, downs + 1)}
    if adm:
        shapes[f"{UNET}label_emb.0.0.weight"] = (1280, adm)
    return shapes


VAE = {
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    "first_stage_model.decoder.mid.block_1.norm1.weight": (512,),
}
CLIP = {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768)}
OPEN_CLIP = {"cond_stage_model.model.token_embedding.weight": (49408, 1024)}
TWO_CLIPS = {
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    "conditioner.embedders.1.model.token_embedding.weight": (49408, 1280),
}
REFINER_CLIP = {"conditioner.embedders.0.model.token_embedding.weight": (49408, 1280)}


def sd3(prefix: str = UNET, *, dual: bool = False, normal: bool = False) -> dict[str, tuple[int, ...]]:
    shapes = {
        f"{prefix}joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536),
        f"{prefix}x_embedder.proj.weight": (1536, 16, 2, 2),
    }
    if dual:
        shapes[f"{prefix}joint_blocks.0.x_block.attn2.qkv.weight"] = (4608, 1536)
    if normal:
        shapes[f"{prefix}joint_blocks.0.x_block.attn.ln_q.weight"] = (64,)
    return shapes


def flux(prefix: str = "", *, guided: bool, inputs: int = 64) -> dict[str, tuple[int, ...]]:
    shapes = {
        f"{prefix}double_blocks.0.img_attn.qkv.weight": (9216, 3072),
        f"{prefix}img_in.weight": (3072, inputs),
    }
    return shapes | ({f"{prefix}guidance_in.in_layer.weight": (3072, 256)} if guided else {})


def kohya_lora(context: int, *, rank: int = 16, te: str = "lora_te_") -> dict[str, tuple[int, ...]]:
    at = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    text = f"{te}text_model_encoder_layers_0_self_attn_q_proj"
    return {
        f"{at}.lora_down.weight": (rank, context),
        f"{at}.lora_up.weight": (320, rank),
        f"{at}.alpha": (),
        f"{text}.lora_down.weight": (rank, 768),
        f"{text}.lora_up.weight": (768, rank),
    }


MODELS: dict[str, tuple[str, dict[str, tuple[int, ...]], str, str | None]] = {
    "sd15": ("v1-5-pruned.safetensors", unet(768) | VAE | CLIP, "checkpoint", "sd1"),
    "sd15 inpainting": ("sd-v1-5-inpainting.safetensors", unet(768, inputs=9) | VAE | CLIP, "checkpoint", "sd1"),
    "sd21": ("v2-1_768.safetensors", unet(1024) | VAE | OPEN_CLIP, "checkpoint", "sd2"),
    "sdxl": ("sd_xl_base_1.0.safetensors", unet(2048, adm=2816, downs=2) | VAE | TWO_CLIPS, "checkpoint", "sdxl"),
    "sdxl refiner": ("sd_xl_refiner.safetensors", unet(1280, adm=2560) | VAE | REFINER_CLIP, "checkpoint", "sdxl-refiner"),
    "sdxl unet": ("xl_unet.safetensors", unet(2048, adm=2816, downs=2), "denoiser", "sdxl"),
    "sd3": ("sd3_medium.safetensors", sd3() | VAE, "checkpoint", "sd3"),
    "sd3.5 large": ("sd3.5_large.safetensors", sd3(normal=True), "denoiser", "sd3.5-large"),
    "sd3.5 medium": ("sd3.5_medium.safetensors", sd3(dual=True, normal=True), "denoiser", "sd3.5-medium"),
    "flux dev": ("flux1-dev.safetensors", flux(guided=True), "denoiser", "flux-dev"),
    "flux schnell": ("flux1-schnell.safetensors", flux(UNET, guided=False) | VAE, "checkpoint", "flux-schnell"),
    "flux fill": ("flux1-fill-dev.safetensors", flux(guided=True, inputs=384), "denoiser", "flux-dev"),
    "vae": ("vae-ft-mse.safetensors", {n.removeprefix("first_stage_model."): s for n, s in VAE.items()}, "vae", None),
    "lora sd1": ("style.safetensors", kohya_lora(768), "lora", "sd1"),
    "lora sdxl": ("style_xl.safetensors", kohya_lora(2048, te="lora_te1_"), "lora", "sdxl"),
    "lora peft": ("peft.safetensors", {
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 768),
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight": (320, 4)}, "lora", "sd1"),
    "lora flux": ("f.safetensors", {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (8, 3072)}, "lora", "flux-dev"),
    "loha": ("loha.safetensors", {
        f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.hada_{w}": shape
        for w, shape in {"w1_a": (320, 8), "w1_b": (8, 768), "w2_a": (320, 8), "w2_b": (8, 768)}.items()}, "lora", "sd1"),
    "lokr": ("lokr.safetensors", {"lycoris_blocks_0_attn.lokr_w1": (8, 8), "lycoris_blocks_0_attn.lokr_w2": (40, 96)},
             "lora", None),
    "embedding": ("easynegative.safetensors", {"emb_params": (8, 768)}, "embedding", "sd1"),
    "embedding xl": ("xl.safetensors", {"clip_l": (4, 768), "clip_g": (4, 1280)}, "embedding", "sdxl"),
    "embedding diffusers": ("token.safetensors", {"<cat-toy>": (1, 1024)}, "embedding", "sd2"),
    "controlnet": ("control_v11p_sd15_canny.safetensors", {
        "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
        "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}, "controlnet", "sd1"),
    "controlnet xl": ("canny_xl.safetensors", {
        "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3), "conv_in.weight": (320, 4, 3, 3),
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048)}, "controlnet", "sdxl"),
    "t2i": ("t2iadapter_canny.safetensors", {"body.0.block1.weight": (320, 320, 3, 3)}, "t2i-adapter", None),
    "t2i diffusers": ("t2i.safetensors", {"adapter.body.0.resnets.0.block1.weight": (320, 320, 3, 3)}, "t2i-adapter", None),
    "ip": ("ip-adapter_sd15.safetensors", {
        "image_proj.proj.weight": (3072, 1024), "ip_adapter.1.to_k_ip.weight": (320, 768)}, "ip-adapter", "sd1"),
    "esrgan": ("4x-UltraSharp.safetensors", {"model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}, "upscaler", None),
    "rrdb": ("R-ESRGAN.safetensors", {"body.0.rdb1.conv1.weight": (32, 64, 3, 3)}, "upscaler", None),
    "swinir": ("SwinIR.safetensors", {"layers.0.residual_group.blocks.0.norm1.weight": (180,)}, "upscaler", None),
    "compact": ("animevideo.safetensors", {f"body.{n}.weight": (64, 64, 3, 3) for n in range(0, 34, 2)}, "upscaler", None),
    "clip": ("clip_l.safetensors", {"text_model.embeddings.token_embedding.weight": (49408, 768)}, "text-encoder", None),
    "t5": ("t5xxl.safetensors", {"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "text-encoder", None),
    "diffusers unet": ("diffusion_pytorch_model.safetensors", {
        "conv_in.weight": (320, 9, 3, 3), "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 2048),
        "add_embedding.linear_1.weight": (1280, 2816)}, "denoiser", "sdxl"),
    "something": ("whisper.safetensors", {"model.decoder.layers.0.fc1.weight": (12, 12)}, "unknown", None),
}  # fmt: skip
"""Files by what they are: a name, shapes, and the kind and architecture to be told."""
