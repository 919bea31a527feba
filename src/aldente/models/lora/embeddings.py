"""Textual inversions: the rows that a file adds to the tables of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.checkpoints.inspecting import SAFETENSORS
from aldente.models.checkpoints.tensors import read_tensors
from aldente.models.lora.files import TEXT, TEXT_2


def read_embeddings(paths: Mapping[str, Path]) -> dict[str, dict[str, Tensor]]:
    """The rows of each textual inversion by the text encoder's part name, then by the inversion's name.

    Pickles and files that do not read as one are left aside: one damaged file must not keep all models from opening.
    """
    found: dict[str, dict[str, Tensor]] = {TEXT: {}, TEXT_2: {}}
    for name, path in paths.items():
        for part, rows in _rows(path).items():
            found[part][name] = rows
    return found


def _rows(path: Path) -> dict[str, Tensor]:
    if path.suffix.lower() != SAFETENSORS:
        return {}
    try:
        tensors = read_tensors(path)
    except (UserError, OSError):
        return {}
    told = {"clip_l": TEXT, "clip_g": TEXT_2}
    if not told.keys() & tensors.keys():
        told = dict.fromkeys(tensors, TEXT)
    rows = {part: tensors[name] for name, part in told.items() if name in tensors}
    return {part: torch.from_numpy(np.array(array, np.float32)) for part, array in rows.items() if array.ndim in (1, 2)}
