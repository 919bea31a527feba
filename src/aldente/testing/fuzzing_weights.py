"""Odd files of weights: sound ones whose heads and bytes are spoilt; the same for a seed."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aldente.models.checkpoints.header import header_of
from aldente.models.checkpoints.inspecting import facts_of
from aldente.models.checkpoints.pickled import read_pickled
from aldente.testing.fuzzing import Fuzzed, fuzz, spoilt_file, spoilt_json

WEIGHTS = ("safetensors", "pickle")
"""The formats of weights that can be fuzzed; pickles need torch."""

_SHAPES = {
    "model.diffusion_model.input_blocks.0.0.weight": [4, 4, 3, 3],
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [2, 768],
    "first_stage_model.decoder.conv_in.weight": [2, 4, 3, 3],
    "lora_unet_down_blocks_0_attn2_to_k.lora_down.weight": [2, 768],
    "lora_unet_down_blocks_0_attn2_to_k.alpha": [],
    "conv_in.weight": [2, 4, 3, 3],
}


def fuzz_weights(name: str, count: int, *, seed: int = 0) -> Fuzzed:
    """Give the reader of a format odd files; raises AssertionError for a traceback or a hang."""
    if name == "safetensors":
        return fuzz(_read_safetensors, _spoilt_safetensors, count, seed)
    with TemporaryDirectory() as folder:
        return fuzz(_reader_of_pickles(Path(folder)), lambda chance: spoilt_file(_pickle(), chance), count, seed)


def _read_safetensors(content: bytes) -> None:
    facts_of(header_of(io.BytesIO(content), len(content), "odd.safetensors"), Path("odd.safetensors"))


def _reader_of_pickles(folder: Path) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        (folder / "odd.pt").write_bytes(content)
        read_pickled(folder / "odd.pt")

    return read


def _spoilt_safetensors(chance: random.Random) -> bytes:
    """A file with a head that is spoilt as a table, or as a whole file; numbers fill what the sound head asks for."""
    picked = chance.sample(sorted(_SHAPES), chance.randint(1, len(_SHAPES)))
    head: dict[str, object] = {"__metadata__": {"modelspec.resolution": "1024x1024", "ss_network_dim": "4"}}
    at = 0
    for name in picked:
        size = 4
        for side in _SHAPES[name]:
            size *= side
        head[name] = {"dtype": "F32", "shape": _SHAPES[name], "data_offsets": [at, at + size]}
        at += size
    if chance.random() < 0.2:
        return spoilt_file(_packed(json.dumps(head), at), chance)
    return _packed(spoilt_json(json.dumps(head), chance) if chance.random() < 0.85 else json.dumps(head), at)


def _packed(head: str, size: int) -> bytes:
    content = head.encode(errors="replace")
    return len(content).to_bytes(8, "little") + content + bytes(size)


@lru_cache(maxsize=1)
def _pickle() -> bytes:
    import torch  # noqa: PLC0415  # not in the default install

    whole = io.BytesIO()
    torch.save({"state_dict": {"a.weight": torch.ones(4, 3), "b": torch.zeros(2, dtype=torch.float16)}, "epoch": 3}, whole)
    return whole.getvalue()
