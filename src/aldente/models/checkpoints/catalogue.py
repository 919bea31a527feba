"""Finding models: every file and folder of weights under the places that are known, with its facts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aldente.engine.errors import UserError, unknown
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.checkpoints.folders import is_folder
from aldente.models.checkpoints.inspecting import SAFETENSORS
from aldente.models.checkpoints.ledger import Ledger, data_folder
from aldente.models.checkpoints.pickled import SUFFIXES
from aldente.models.checkpoints.places import Place, places_in, usual_roots

ADDED = "models.json"

WEIGHTS = "diffusion_pytorch_model"
"""What the files of networks are called in diffusers folders."""

MOST_DEPTH = 6
"""Folders inside folders that are looked into."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A model on the disk: what it is called, where it is and whose folder that is; facts, or why there are none."""

    name: str
    path: Path
    program: str
    size: int
    facts: CheckpointFacts | None
    fault: str = ""


def find(ledger: Ledger, roots: Iterable[Path] | None = None) -> Iterator[Found]:
    """Every model under ``roots`` (the usual ones and those that were added, if not given), each once; heads are read only."""
    seen: set[Path] = set()
    for root in [*added(), *usual_roots()] if roots is None else roots:
        for place in [_single(root)] if _is_model(root) else places_in(root):
            for path in _models_in(place.folder):
                real = path.resolve()
                if real not in seen:
                    seen.add(real)
                    yield _found(path, place, ledger)


def named(name: str, ledger: Ledger, roots: Iterable[Path] | None = None) -> Found:
    """The model of this path or name (its ending and capitals aside); raises UserError where there is none, or several."""
    path = Path(name).expanduser()
    if _is_model(path):
        return _found(path, _single(path), ledger)
    every = list(find(ledger, roots))
    wanted = _plain(name)
    matching = [one for one in every if wanted in (_plain(one.name), _plain(str(one.path)))]
    if not matching:
        raise unknown("model", name, {one.name for one in every})
    if len({one.path for one in matching}) > 1:
        raise UserError(f"several models are called '{name}': {', '.join(str(one.path) for one in matching)}; give the path.")
    return matching[0]


def add(path: Path, folder: Path | None = None) -> int:
    """Remember a model or a folder of models; how many models it holds.

    Raises UserError where it holds none, or is one file that is damaged.
    """
    whole = path.expanduser().absolute()
    if not whole.exists():
        raise UserError(f"'{path}' does not exist; give a model, a folder of models, or the folder of A1111 or ComfyUI.")
    if _is_model(whole) and whole.suffix.lower() == SAFETENSORS:
        Ledger(folder).facts(whole)
    places = [_single(whole)] if _is_model(whole) else places_in(whole)
    count = sum(1 for place in places for _ in _models_in(place.folder))
    if not count:
        endings = ", ".join(sorted((SAFETENSORS, *SUFFIXES)))
        raise UserError(f"'{path}' holds no models: neither diffusers folders nor files in {endings}.")
    known = added(folder)
    if whole not in known:
        _write([*known, whole], folder)
    return count


def remove(path: Path, folder: Path | None = None) -> None:
    """Forget a path that was added; its files stay. Raises UserError where it was not."""
    whole = path.expanduser().absolute()
    known = added(folder)
    if whole not in known:
        raise unknown("added path", str(path), map(str, known))
    _write([one for one in known if one != whole], folder)


def added(folder: Path | None = None) -> list[Path]:
    """The paths that the user added."""
    try:
        found = json.loads(((folder or data_folder()) / ADDED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [Path(one) for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _write(paths: list[Path], folder: Path | None) -> None:
    place = folder or data_folder()
    place.mkdir(parents=True, exist_ok=True)
    scratch = place / f"{ADDED}.{os.getpid()}.part"
    scratch.write_text(json.dumps([str(path) for path in paths], ensure_ascii=False, indent=2), encoding="utf-8")
    scratch.replace(place / ADDED)


def _single(path: Path) -> Place:
    return Place(folder=path, program="")


def _is_model(path: Path) -> bool:
    return is_folder(path) if path.is_dir() else path.suffix.lower() in (SAFETENSORS, *SUFFIXES) and path.is_file()


def _models_in(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The models under a folder; a diffusers folder is one, whatever it holds."""
    if _is_model(folder):
        yield folder
        return
    try:
        children = sorted(folder.iterdir()) if depth < MOST_DEPTH else []
    except OSError:
        return
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir():
            # The hub keeps its files in blobs, and shows them under snapshots.
            if child.name not in ("blobs", "refs", "__pycache__"):
                yield from _models_in(child, depth + 1)
        elif _is_model(child):
            yield child


def _found(path: Path, place: Place, ledger: Ledger) -> Found:
    size, facts, fault = _size(path), None, ""
    if path.suffix.lower() in SUFFIXES:
        fault = "a pickle: not opened"
    else:
        try:
            facts = ledger.facts(path)
        except UserError as error:
            fault = str(error)
    return Found(name=_name(path), path=path, program=place.program, size=size, facts=facts, fault=fault)


def _name(path: Path) -> str:
    """What users call it: the file without its ending; a repository of the hub by its name.

    A network in a diffusers folder is called as the folder is, for its file's name is that of all others.
    """
    if path.stem.startswith(WEIGHTS):
        path = path.parent
    hub = next((part for part in path.parts if part.startswith("models--")), None)
    if hub is not None and path.is_dir():
        return hub.removeprefix("models--").replace("--", "/")
    return path.name if path.is_dir() else path.stem


def _size(path: Path) -> int:
    try:
        files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        return sum(one.stat().st_size for one in files)
    except OSError:
        return 0


def _plain(name: str) -> str:
    """Names made comparable."""
    text = name.strip().lower().replace("\\", "/")
    return next((text.removesuffix(ending) for ending in (SAFETENSORS, *SUFFIXES) if text.endswith(ending)), text)
