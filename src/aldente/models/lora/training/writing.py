"""The file of a LoRA, under Kohya's names and with its metadata, as A1111 and ComfyUI load it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from aldente.models.checkpoints.tensors import Array, write_tensors
from aldente.models.lora.training.examples import Example
from aldente.models.lora.training.loop import Settings

PREFIX = "lora_unet_"


def write_lora(
    path: Path,
    learned: Mapping[str, tuple[Tensor, Tensor]],
    alpha: float,
    metadata: Mapping[str, str],
) -> None:
    """Write the matrices (up, down) of each module in half precision, with the hash by which A1111 calls the LoRA."""
    tensors: dict[str, Array] = {}
    for module, (up, down) in learned.items():
        name = PREFIX + module.replace(".", "_")
        tensors[f"{name}.lora_up.weight"] = up.detach().cpu().numpy().astype(np.float16)
        tensors[f"{name}.lora_down.weight"] = down.detach().cpu().numpy().astype(np.float16)
        tensors[f"{name}.alpha"] = np.asarray(alpha, np.float16)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    whole = digest.hexdigest()
    write_tensors(path, tensors, {**metadata, "sshs_model_hash": whole, "sshs_legacy_hash": whole[:8]})


def metadata_of(
    settings: Settings, examples: Sequence[Example], model: Mapping[str, str], *, name: str, title: str, created: str, step: int
) -> dict[str, str]:
    """What the file says of its training, in Kohya's words; ``name`` is the model's, ``title`` the LoRA's."""
    groups = {one.group: one.repeats for one in examples}
    counts = Counter(one.group for one in examples)
    words = {
        group: dict(Counter(tag.strip() for one in examples if one.group == group for tag in one.caption.split(",") if tag))
        for group in groups
    }
    shown = sum(one.repeats for one in examples)
    return {
        **model,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": title,
        "modelspec.date": created,
        "modelspec.implementation": "aldente",
        "ss_output_name": title,
        "ss_sd_model_name": name,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(settings.rank),
        "ss_network_alpha": str(settings.alpha),
        "ss_learning_rate": str(settings.rate),
        "ss_unet_lr": str(settings.rate),
        "ss_text_encoder_lr": "None",
        "ss_lr_scheduler": settings.schedule,
        "ss_lr_warmup_steps": str(settings.warm_up),
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_min_snr_gamma": str(settings.gamma),
        "ss_max_train_steps": str(settings.steps),
        "ss_steps": str(step),
        "ss_epoch": str(step * settings.batch // max(shown, 1)),
        "ss_seed": str(settings.seed),
        "ss_max_grad_norm": str(settings.clip),
        "ss_caption_dropout_rate": str(settings.bare),
        "ss_num_train_images": str(shown),
        "ss_num_reg_images": "0",
        "ss_batch_size_per_device": str(settings.batch),
        "ss_enable_bucket": "True",
        "ss_cache_latents": "True",
        "ss_dataset_dirs": json.dumps({group: {"n_repeats": groups[group], "img_count": counts[group]} for group in groups}),
        "ss_tag_frequency": json.dumps(words, ensure_ascii=False),
    }
