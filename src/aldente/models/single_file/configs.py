"""The configurations of the released models, which files of one piece leave out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import Architecture

Config = dict[str, Any]

_DOWN, _UP = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3

_UNET: Config = {
    "sample_size": 64, "in_channels": 4, "out_channels": 4, "down_block_types": _DOWN, "up_block_types": _UP,
    "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "cross_attention_dim": 768, "attention_head_dim": 8,
}  # fmt: skip
_VAE: Config = {
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4, "norm_num_groups": 32,
    "sample_size": 512, "scaling_factor": 0.18215,
}  # fmt: skip
_CLIP: Config = {
    "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "projection_dim": 768, "hidden_act": "quick_gelu", "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407,
}  # fmt: skip
_OPEN_H: Config = _CLIP | {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16, "hidden_act": "gelu",
    "projection_dim": 512, "pad_token_id": 0,
}  # fmt: skip
_OPEN_G: Config = _CLIP | {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20, "hidden_act": "gelu",
    "projection_dim": 1280, "pad_token_id": 0,
}  # fmt: skip
_T5: Config = {
    "vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "feed_forward_proj": "gated-gelu", "is_encoder_decoder": False, "use_cache": False,
}  # fmt: skip
_XL_UNET: Config = _UNET | {
    "sample_size": 128, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "block_out_channels": [320, 640, 1280],
    "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048,
    "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
_REFINER_UNET: Config = _XL_UNET | {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [384, 768, 1536, 1536], "transformer_layers_per_block": 4, "attention_head_dim": [6, 12, 24, 24],
    "cross_attention_dim": 1280, "projection_class_embeddings_input_dim": 2560,
}  # fmt: skip
_XL_VAE: Config = _VAE | {"sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True}
_FLOW_VAE: Config = _XL_VAE | {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
_SD3: Config = {
    "sample_size": 128, "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 24, "attention_head_dim": 64,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "caption_projection_dim": 1536, "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}  # fmt: skip
_FLUX: Config = {
    "patch_size": 1, "in_channels": 64, "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768, "axes_dims_rope": [16, 56, 56],
}  # fmt: skip
_BETAS: Config = {
    "_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000, "steps_offset": 1, "timestep_spacing": "leading",
}  # fmt: skip
_FLOW: Config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
_CLIPS_AND_T5 = {"text_encoder": _CLIP, "text_encoder_2": _OPEN_G, "text_encoder_3": _T5}


def _flow(transformer: Config, scheduler: Config) -> dict[str, Config]:
    vae = _FLOW_VAE | {"scaling_factor": 1.5305, "shift_factor": 0.0609}
    return {"transformer": transformer, "vae": vae, "scheduler": _FLOW | scheduler, **_CLIPS_AND_T5}


def _flux(*, guided: bool) -> dict[str, Config]:
    sizes = {"use_dynamic_shifting": guided, "base_shift": 0.5, "max_shift": 1.15, "shift": 3.0 if guided else 1.0}
    return {
        "transformer": _FLUX | {"guidance_embeds": guided},
        "vae": _FLOW_VAE | {"scaling_factor": 0.3611, "shift_factor": 0.1159},
        "scheduler": _FLOW | sizes,
        "text_encoder": _CLIP,
        "text_encoder_2": _T5,
    }


CONFIGS: Mapping[Architecture, Mapping[str, Config]] = {
    "sd1": {"unet": _UNET, "vae": _VAE, "text_encoder": _CLIP, "scheduler": _BETAS},
    "sd2": {
        "unet": _UNET | {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True},
        "vae": _VAE,
        "text_encoder": _OPEN_H,
        "scheduler": _BETAS,
    },
    "sdxl": {"unet": _XL_UNET, "vae": _XL_VAE, "text_encoder": _CLIP, "text_encoder_2": _OPEN_G, "scheduler": _BETAS},
    "sdxl-refiner": {"unet": _REFINER_UNET, "vae": _XL_VAE, "text_encoder_2": _OPEN_G, "scheduler": _BETAS},
    "sd3": _flow(_SD3, {}),
    "sd3.5-medium": _flow(
        _SD3 | {"pos_embed_max_size": 384, "qk_norm": "rms_norm", "dual_attention_layers": list(range(13))}, {}
    ),
    "sd3.5-large": _flow(
        _SD3 | {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"}, {}
    ),
    "flux-dev": _flux(guided=True),
    "flux-schnell": _flux(guided=False),
}
"""The configuration of every part of each architecture, as released."""

PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "scheduler")


def configs_of(architecture: Architecture, like: Path | None = None) -> dict[str, Config]:
    """The configuration of every part; those of the diffusers folder ``like`` where one is given.

    Raises UserError where that folder has none.
    """
    if like is None:
        return {name: dict(config) for name, config in CONFIGS[architecture].items()}
    found = {}
    for name in PARTS:
        path = like / name / ("scheduler_config.json" if name == "scheduler" else "config.json")
        if path.is_file():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    if not found:
        raise UserError(f"'{like}' has no configurations of networks: name a diffusers folder of the same architecture.")
    return found
