"""Checkpoints that are drawn with another autoencoder, or with the parts of another folder, under names of their own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError, unknown
from aldente.models.checkpoints.folders import is_folder
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.checkpoints.ledger import data_folder

FILE = "compositions.json"


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A checkpoint called ``name``: the file or folder at ``path`` with the autoencoder in the file ``vae``.

    What a file leaves out, and its configurations and tokenizers, come from the diffusers folder ``like``.
    """

    name: str
    path: Path
    vae: Path | None = None
    like: Path | None = None


def compose(composition: Composition, folder: Path | None = None) -> None:
    """Remember a composition; one of that name gives way. Raises UserError for parts that do not go together."""
    if composition.vae is not None and inspect(composition.vae).kind != "vae":
        raise UserError(f"'{composition.vae}' is a {inspect(composition.vae).kind}, no VAE; name the file of an autoencoder.")
    if composition.like is not None and not is_folder(composition.like):
        raise UserError(f"'{composition.like}' is no diffusers folder; name one of the checkpoint's architecture.")
    if composition.like is not None and composition.path.is_dir():
        raise UserError(f"'{composition.path}' is a whole folder and takes nothing from another; leave out --like.")
    kept = [one for one in compositions(folder) if one.name.lower() != composition.name.lower()]
    _write([*kept, composition], folder)


def dissolve(name: str, folder: Path | None = None) -> None:
    """Forget a composition; raises UserError where there is none of that name."""
    known = compositions(folder)
    kept = [one for one in known if one.name.lower() != name.lower()]
    if len(kept) == len(known):
        raise unknown("composed model", name, [one.name for one in known])
    _write(kept, folder)


def composition(name: str, folder: Path | None = None) -> Composition | None:
    """The composition of that name, capitals aside, if there is one."""
    return next((one for one in compositions(folder) if one.name.lower() == name.strip().lower()), None)


def compositions(folder: Path | None = None) -> list[Composition]:
    """Every composition that is remembered."""
    try:
        found = json.loads(((folder or data_folder()) / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [_read(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _read(told: dict[str, Any]) -> Composition:
    vae, like = (Path(told[key]) if told.get(key) else None for key in ("vae", "like"))
    return Composition(name=str(told.get("name")), path=Path(str(told.get("path"))), vae=vae, like=like)


def _write(every: list[Composition], folder: Path | None) -> None:
    place = folder or data_folder()
    place.mkdir(parents=True, exist_ok=True)
    told = [
        {"name": one.name, "path": str(one.path)}
        | {key: str(part) for key, part in (("vae", one.vae), ("like", one.like)) if part is not None}
        for one in every
    ]
    scratch = place / f"{FILE}.{os.getpid()}.part"
    scratch.write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")
    scratch.replace(place / FILE)
