"""LoRA files of every trainer, as one shape: for each module that is changed, the pieces of what is added."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import read_header
from aldente.models.checkpoints.structure import structure_of
from aldente.models.checkpoints.tensors import Array, read_tensors

Pieces = Mapping[str, Array]
"""The tensors of one module by role: ``up``, ``down``, ``mid``, ``alpha``, ``scale``; LoHa's and LoKr's under their names."""

DENOISER, TEXT, TEXT_2 = "denoiser", "text_encoder", "text_encoder_2"
"""The networks that a LoRA may change."""

_ROLES = {
    "lora_up.weight": "up", "lora_down.weight": "down", "lora_mid.weight": "mid", "lora_B.weight": "up",
    "lora_A.weight": "down", "lora.up.weight": "up", "lora.down.weight": "down", "alpha": "alpha", "dora_scale": "scale",
    "lora_magnitude_vector": "scale", "lora_magnitude_vector.weight": "scale", "diff": "diff",
    **{name: name for name in (
        "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w1_a", "lokr_w1_b",
        "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
    )},
}  # fmt: skip
"""What a tensor's name ends in, after its module, and the role that it tells."""

_NETWORKS = (
    ("lora_unet_", DENOISER), ("lora_transformer_", DENOISER), ("lycoris_", DENOISER), ("base_model.model.", DENOISER),
    ("diffusion_model.", DENOISER), ("unet.", DENOISER), ("transformer.", DENOISER), ("lora_te1_", TEXT), ("lora_te2_", TEXT_2),
    ("lora_te_", TEXT), ("text_encoder_2.", TEXT_2), ("text_encoder.", TEXT),
)  # fmt: skip
"""What names begin with, and the network that they mean."""

_OLD = re.compile(r"\.processor\.(to_[qkv]|to_out)_lora\.(up|down)\.weight$")
"""How the first LoRAs of diffusers were named."""

_UNREADABLE = ("oft", "boft", "glora", "ia3")


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """What a file adds: the pieces of each module, by network and by the module's name with all dots as underscores."""

    name: str
    modules: Mapping[tuple[str, str], Pieces]
    metadata: Mapping[str, str]


def read_lora(path: Path) -> LoraFile:
    """The LoRA in a safetensors file; raises UserError where it is none, or one of a kind that cannot be added here."""
    header = read_header(path)
    structure = structure_of(header)
    if structure.kind != "lora":
        raise UserError(f"'{path.name}' is no LoRA but {_article(structure.kind)}.")
    if structure.network in _UNREADABLE:
        raise UserError(
            f"'{path.name}' is of the kind {structure.network.upper()}, which cannot be added here; LoRA, LoCon, DoRA, LoHa and"
            " LoKr can."
        )
    modules: dict[tuple[str, str], dict[str, Array]] = {}
    for name, array in read_tensors(path, header=header).items():
        found = _role(_OLD.sub(_renamed, name))
        if found is not None:
            module, role = found
            modules.setdefault(_network(module), {})[role] = array
    return LoraFile(name=path.stem, modules=modules, metadata=header.metadata)


def _renamed(old: re.Match[str]) -> str:
    return f".{old[1]}{'.0' if old[1] == 'to_out' else ''}.lora.{old[2]}.weight"


def _role(name: str) -> tuple[str, str] | None:
    for ending, role in _ROLES.items():
        if name.endswith(f".{ending}"):
            return name[: -len(ending) - 1], role
    return None


def _network(module: str) -> tuple[str, str]:
    """The network and the module's name, which trainers spell with dots or with underscores."""
    for begins, network in _NETWORKS:
        if module.startswith(begins):
            return network, module[len(begins) :].replace(".", "_")
    return DENOISER, module.replace(".", "_")


def _article(kind: str) -> str:
    return "a file that is not known" if kind == "unknown" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
