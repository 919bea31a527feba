"""LoRAs and textual inversions by the names that prompts call them, and the hashes that infotext tells them by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from aldente.engine.errors import UserError, unknown
from aldente.models.checkpoints.catalogue import Found, find
from aldente.models.checkpoints.facts import Kind
from aldente.models.checkpoints.header import read_header
from aldente.models.checkpoints.ledger import Ledger
from aldente.recipe.prompt import parse

SHORT = 12
"""The digits of a LoRA's or an embedding's hash that A1111 writes."""


def find_lora(name: str, ledger: Ledger, roots: Iterable[Path] | None = None) -> Path:
    """The file that ``<lora:name:1>`` means: by its file's name, its path, or what its trainer called it.

    Raises UserError where there is none, naming the nearest.
    """
    return _find("lora", name, ledger, roots)


def find_embeddings(ledger: Ledger, roots: Iterable[Path] | None = None) -> dict[str, Path]:
    """The textual inversions that are found, by name."""
    return {one.name: one.path for one in _all("embedding", ledger, roots)}


def lora_hash(path: Path, ledger: Ledger) -> str:
    """The twelve digits by which A1111 calls a LoRA: of the hash that its trainer wrote into it, else of its tensors."""
    return (read_header(path).metadata.get("sshs_model_hash") or ledger.tensor_sha256(path))[:SHORT]


def lora_contents(prompts: Iterable[str], ledger: Ledger, roots: Iterable[Path] | None = None) -> tuple[tuple[str, str], ...]:
    """The LoRAs that ``prompts`` name, in order, each with the SHA-256 of its tensors as its file is now.

    Raises UserError for one that is not there.
    """
    looked = None if roots is None else list(roots)
    names = sorted({lora.name for text in prompts for lora in parse(text).loras})
    return tuple((name, ledger.tensor_sha256(find_lora(name, ledger, looked))) for name in names)


def embedding_hash(path: Path, ledger: Ledger) -> str:
    """The twelve digits by which A1111 calls a textual inversion: those of its file."""
    return ledger.sha256(path)[:SHORT]


def told_hashes(
    prompts: Iterable[str], ledger: Ledger, roots: Iterable[Path] | None = None, *, inverted: bool = True
) -> dict[str, str]:
    """What A1111's infotext says of the LoRAs and textual inversions that ``prompts`` name: ``Lora hashes``, ``TI hashes``.

    ``inverted`` says whether the model knows textual inversions at all.
    """
    texts = list(prompts)
    looked = None if roots is None else list(roots)
    names = dict.fromkeys(lora.name for text in texts for lora in parse(text).loras)
    loras = {name: lora_hash(find_lora(name, ledger, looked), ledger) for name in names}
    every = find_embeddings(ledger, looked) if inverted else {}
    inversions = {
        name: embedding_hash(path, ledger) for name, path in every.items() if any(_said(name, text) for text in texts)
    }
    told = {"Lora hashes": loras, "TI hashes": inversions}
    return {key: ", ".join(f"{name}: {digits}" for name, digits in found.items()) for key, found in told.items() if found}


def _said(name: str, text: str) -> bool:
    """Whether a text names an inversion, whatever its capitals, as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) is not None


def _find(kind: Kind, name: str, ledger: Ledger, roots: Iterable[Path] | None) -> Path:
    direct = Path(name).expanduser()
    if direct.suffix == ".safetensors" and direct.is_file():
        return direct
    every = _all(kind, ledger, roots)
    wanted = name.strip().lower()
    matching = [one for one in every if one.name.lower() == wanted]
    matching = matching or [one for one in every if _alias(one.path).lower() == wanted]
    if not matching:
        if not every:
            raise UserError(
                f"{kind} '{name}' is not known: none were found. 'aldente models add FOLDER' tells where yours are."
            )
        raise unknown(kind, name, {one.name for one in every})
    # As in A1111, the first of two of the same name.
    return matching[0].path


def _all(kind: Kind, ledger: Ledger, roots: Iterable[Path] | None) -> list[Found]:
    return [one for one in find(ledger, roots) if one.facts is not None and one.facts.kind == kind]


def _alias(path: Path) -> str:
    """What the trainer called it."""
    return read_header(path).metadata.get("ss_output_name", "")
