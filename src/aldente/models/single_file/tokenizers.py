"""The tokenizers of the text encoders: CLIP's comes with aldente, T5's from a program or a cache on this machine."""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, CLIPTokenizer

from aldente.engine.errors import UserError
from aldente.models.checkpoints.places import hub_cache, usual_roots

MERGES = Path(__file__).parent / "clip_merges.txt.xz"
"""The pairs of CLIP's byte pair encoding, in their order (OpenAI, MIT licence)."""

_T5_PLACES = ("comfy/text_encoders/t5_tokenizer", "comfy/t5_tokenizer")
"""Where ComfyUI keeps T5's tokenizer."""


def clip_tokenizer(pad: str = "<|endoftext|>") -> CLIPTokenizer:
    """CLIP's tokenizer; OpenCLIP's networks pad with ``!``."""
    vocabulary, merges = _clip()
    pairs: list[Any] = [*merges]
    return CLIPTokenizer(vocab=dict(vocabulary), merges=pairs, pad_token=pad, model_max_length=77)


def t5_tokenizer(like: Path | None = None, roots: Iterable[Path] | None = None) -> Any:
    """T5's tokenizer out of the diffusers folder ``like``, a ComfyUI, or the hub's cache; raises UserError where none is."""
    inside = [like / name for name in ("tokenizer_3", "tokenizer_2")] if like is not None else []
    every = list(usual_roots() if roots is None else roots)
    theirs = [root / place for root in every for place in _T5_PLACES]
    cached = [folder for name in ("tokenizer_3", "tokenizer_2") for folder in hub_cache().glob(f"models--*/snapshots/*/{name}")]
    for folder in (*inside, *theirs, *cached):
        if any((folder / name).is_file() for name in ("tokenizer.json", "spiece.model")) and "clip" not in _kind(folder):
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    raise UserError(
        "this model reads prompts with T5, whose tokenizer is not on this machine: add your ComfyUI folder"
        " ('aldente models add ComfyUI'), or a diffusers folder of Stable Diffusion 3 or FLUX."
    )


def _kind(folder: Path) -> str:
    config = folder / "tokenizer_config.json"
    return config.read_text(encoding="utf-8").lower() if config.is_file() else ""


@lru_cache(maxsize=1)
def _clip() -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """Every token and its number: bytes, bytes at the end of a word, pairs in their order, and the two marks."""
    lines = lzma.decompress(MERGES.read_bytes()).decode().split("\n")
    merges = tuple((left, right) for left, _, right in (line.partition(" ") for line in lines))
    letters = _byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(left + right for left, right in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(tokens)}, merges


def _byte_letters() -> list[str]:
    """The letter that stands for each byte: itself where it can be printed, else one beyond the first 256."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, plain), *(chr(256 + number) for number in range(256 - len(plain)))]
