"""LoRA and its kin by their names: how a file is written, its rank, and the network that it changes."""

from __future__ import annotations

from collections import Counter

from aldente.models.checkpoints.facts import CONTEXTS, Architecture, Structure
from aldente.models.checkpoints.header import Header

_ENDINGS = {
    ".lora_down.weight": "lora",
    ".lora_A.weight": "lora",
    ".lora.down.weight": "lora",
    "_lora.down.weight": "lora",
    ".hada_w1_a": "loha",
    ".lokr_w1": "lokr",
    ".lokr_w1_a": "lokr",
    ".on_input": "ia3",
    ".oft_blocks": "oft",
    ".oft_diag": "boft",
    ".a1.weight": "glora",
}
"""What a tensor of each kind ends in."""


def lora_structure(header: Header) -> Structure | None:
    """The structure of a LoRA file; None where it is none."""
    if "lora_controlnet" in header.tensors:
        return None
    kinds = Counter(kind for name in header.tensors for ending, kind in _ENDINGS.items() if name.endswith(ending))
    if not kinds:
        return None
    network = kinds.most_common(1)[0][0]
    if network == "lora" and any(name.endswith(".dora_scale") for name in header.tensors):
        network = "dora"
    return Structure("lora", _base(header), _layout(header), "", None, network, _rank(header))


def _layout(header: Header) -> str:
    if any(
        name.startswith(("lora_unet_", "lora_te", "lycoris_", "lora_transformer_", "lora_prior_")) for name in header.tensors
    ):
        return "kohya"
    return "peft" if any(".lora_A." in name for name in header.tensors) else "diffusers"


def _rank(header: Header) -> int | None:
    ranks: Counter[int] = Counter()
    for name, entry in header.tensors.items():
        if (
            name.endswith((".lora_down.weight", ".lora_A.weight", "lora.down.weight", ".hada_w1_b", ".lokr_w2_b"))
            and entry.shape
        ):
            ranks[entry.shape[0]] += 1
    return ranks.most_common(1)[0][0] if ranks else None


def _base(header: Header) -> Architecture | None:
    """The network that it changes, by its names, by the width of the text it reads, by its metadata."""
    names = header.tensors
    if any("double_blocks_" in n or "double_blocks." in n or "single_transformer_blocks" in n for n in names):
        return "flux-dev"
    if any("joint_blocks" in n for n in names) or any("transformer_blocks" in n and "add_k_proj" in n for n in names):
        return "sd3"
    if any(name.startswith(("lora_te1_", "lora_te2_", "text_encoder_2.")) for name in names):
        return "sdxl"
    down = (
        e.shape[1]
        for n, e in names.items()
        if ("attn2_to_k" in n or "attn2.to_k" in n or "attn2.processor.to_k" in n)
        and n.endswith(("lora_down.weight", "lora_A.weight", "lora.down.weight", "hada_w1_b", "hada_w2_b"))
        and len(e.shape) == 2
    )
    found = next((CONTEXTS[width] for width in down if width in CONTEXTS), None)
    return found or _told(header)


def _told(header: Header) -> Architecture | None:
    told = " ".join(header.metadata.get(key, "") for key in ("modelspec.architecture", "ss_base_model_version")).lower()
    marks: tuple[tuple[str, Architecture], ...] = (
        ("stable-diffusion-xl", "sdxl"), ("sdxl", "sdxl"), ("stable-diffusion-v2", "sd2"), ("sd_v2", "sd2"),
        ("stable-diffusion-v1", "sd1"), ("sd_v1", "sd1"), ("stable-diffusion-3", "sd3"), ("sd3", "sd3"), ("flux", "flux-dev"),
    )  # fmt: skip
    return next((architecture for mark, architecture in marks if mark in told), None)
