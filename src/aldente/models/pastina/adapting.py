"""LoRAs in pastina's weights: a copy of its files with what they add, for a session of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError
from aldente.models.lora.deltas import delta
from aldente.models.lora.files import DENOISER, LoraFile, read_lora
from aldente.models.lora.onnx_file import OnnxFile
from aldente.models.pastina.hints import Hinted
from aldente.models.pastina.text import Prompt
from aldente.recipe.prompt import Lora

CHANGED = ("conditioner.onnx", "denoiser.onnx")
"""The files whose weights a LoRA may change."""


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """The handle of a prompt that is drawn with LoRAs."""

    condition: Prompt | Hinted
    loras: tuple[Lora, ...]


def adapted(condition: Prompt | Hinted | Adapted, loras: Sequence[Lora]) -> Prompt | Hinted | Adapted:
    """The condition with LoRAs in place of those that it has; those of weight 0 are left out."""
    plain = condition.condition if isinstance(condition, Adapted) else condition
    acting = tuple(lora for lora in loras if lora.weight)
    return Adapted(condition=plain, loras=acting) if acting else plain


def write_adapted(weights: Path, loras: Sequence[Lora], find: Callable[[str], Path], place: Path) -> Path:
    """Write pastina's files into ``place``, with what the LoRAs add; raises UserError for one that does not fit."""
    files = {name: OnnxFile.read(weights / name) for name in CHANGED}
    added: dict[str, dict[str, NDArray[np.float32]]] = {name: {} for name in CHANGED}
    for lora in loras:
        _add(read_lora(find(lora.name)), lora, files, added)
    for path in weights.iterdir():
        if path.name in added:
            (place / path.name).write_bytes(files[path.name].with_added(added[path.name]))
        elif path.is_file():
            _link(path, place / path.name)
    return place


def _add(read: LoraFile, lora: Lora, files: dict[str, OnnxFile], added: dict[str, dict[str, NDArray[np.float32]]]) -> None:
    """Add what one LoRA changes to the sums of all."""
    places = {spelt(weight): (name, weight) for name, file in files.items() for weight in file.tensors if _is_matrix(weight)}
    fits = False
    for (network, spelling), pieces in read.modules.items():
        if network != DENOISER or spelling not in places:
            continue
        fits = True
        name, weight = places[spelling]
        given = {role: piece.astype(np.float32) for role, piece in pieces.items()}
        change = delta(given, files[name].tensors[weight].shape, f"'{weight}' of the LoRA '{lora.name}'", np)
        sums = added[name]
        sums[weight] = sums.get(weight, np.float32(0)) + np.float32(lora.weight) * change.astype(np.float32)
    if not fits:
        raise UserError(
            f"the LoRA '{lora.name}' changes no part of pastina: it is for another model"
            f" ({read.metadata.get('ss_base_model_version') or 'its file does not say which'})."
        )


def spelt(weight: str) -> str:
    """What a LoRA calls the module of a weight."""
    return weight.removesuffix(".weight").replace(".", "_")


def _is_matrix(name: str) -> bool:
    return name.endswith(".weight") and ".norm." not in name


def _link(path: Path, place: Path) -> None:
    """The same file at another place, without a copy where the system can."""
    try:
        place.symlink_to(path)
    except OSError:
        place.write_bytes(path.read_bytes())
