"""Users' own checkpoints through diffusers: Stable Diffusion, SDXL, SD 3, FLUX. Importing it loads nothing; ``load`` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.plan import Plan, usual_plan, wanted_plan

if TYPE_CHECKING:
    from aldente.models.checkpoints.ledger import Ledger
    from aldente.models.diffusers.model import Checkpoint
    from aldente.models.diffusers.whole import WholePipeline

__all__ = ["Plan", "load", "usual_plan"]


def load(
    path: Path,
    *,
    name: str | None = None,
    facts: CheckpointFacts | None = None,
    plan: Plan | None = None,
    weights: Callable[[], str] | None = None,
    threads: int | None = None,
    controls: Mapping[str, Path] | None = None,
    vae: Path | None = None,
    like: Path | None = None,
) -> Checkpoint | WholePipeline:
    """The checkpoint in a diffusers folder or in one file, called as the folder or file is if not otherwise.

    A pipeline whose denoiser aldente does not run itself is drawn whole, by its own call.

    ``facts`` are what is known of it without loading, ``plan`` how it is run (None: as fast as this machine's memory allows,
    on so many ``threads``), ``weights`` gives the fingerprint of its weights, ``controls`` are the control
    networks and adapters that steer it, IP-Adapters too, by name. ``vae`` is the
    file of another autoencoder, ``like`` a diffusers folder for what a file leaves out. Raises UserError where it
    cannot be opened or does not fit into memory, or where the packages that it needs are not installed.
    """
    _require()
    from aldente.models.checkpoints.inspecting import inspect  # noqa: PLC0415  # loaded when it is used
    from aldente.models.checkpoints.ledger import Ledger  # noqa: PLC0415  # loaded when it is used
    from aldente.models.diffusers.control_opening import modes_of, open_control  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.facts import fingerprint  # noqa: PLC0415  # loaded when it is used
    from aldente.models.diffusers.fitting import fit, usual_drawing  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.model import Checkpoint  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.networks import speaks  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.opening import open_pipeline  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.quantizing import check_quantizing, refuse_quantizing  # noqa: PLC0415  # torch is heavy
    from aldente.models.diffusers.reference_opening import open_reference  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.whole import WholePipeline  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.lora.embeddings import read_embeddings  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.lora.finding import find_embeddings, find_lora  # noqa: PLC0415  # loaded when it is used

    chosen, known = plan or wanted_plan(usual_plan(threads)), facts or inspect(path)
    check_quantizing(chosen)
    called = name or (path.name if path.is_dir() else path.stem)
    pipeline = open_pipeline(path, known, chosen, vae=vae, like=like)
    if not speaks(pipeline):
        refuse_quantizing(chosen, called)
        return WholePipeline(pipeline, name=called, weights=weights or partial(fingerprint, path), plan=chosen)
    ledger = Ledger()
    own = weights or (partial(fingerprint, path) if path.is_dir() else partial(_file_hash, ledger, path))
    others = [part for part in (vae, like) if part is not None]
    if plan is None:
        chosen = fit(pipeline, chosen, usual_drawing(pipeline, known, chosen))
    steering = controls or {}
    pictures = {one: place for one, place in steering.items() if place.is_file() and inspect(place).kind == "ip-adapter"}
    nets = {one: place for one, place in steering.items() if one not in pictures}
    return Checkpoint(
        pipeline,
        name=called,
        weights=partial(_of_all, own, others, fingerprint) if others else own,
        file_hash=None if path.is_dir() else own,
        facts=known,
        plan=chosen,
        inversions=read_embeddings(find_embeddings(ledger)),
        find_lora=lru_cache(maxsize=32)(partial(find_lora, ledger=ledger)),
        controls=_by_mode(nets, modes_of, lambda place: open_control(place, pipeline, chosen)),
        references={one: partial(open_reference, place, pipeline, chosen) for one, place in pictures.items()},
    )


def _by_mode(
    controls: Mapping[str, Path], modes_of: Callable[[Path], Iterable[str]], opened: Callable[[Path], Any]
) -> dict[str, Callable[[], Any]]:
    """What opens each control; a union network is one for each of its modes, ``name:mode``, and opened once."""
    found: dict[str, Callable[[], Any]] = {}
    for called, place in controls.items():
        once = lru_cache(maxsize=1)(partial(opened, place))
        found |= {f"{called}:{mode}": once for mode in modes_of(place)} or {called: once}
    return found


def _of_all(own: Callable[[], str], others: Iterable[Path], fingerprint: Callable[[Path], str]) -> str:
    """The fingerprint of weights that come from several places."""
    return hashlib.sha256(" ".join((own(), *map(fingerprint, others))).encode()).hexdigest()


def _file_hash(ledger: Ledger, path: Path) -> str:
    """The SHA-256 of a file, which is counted once for all time."""
    found = ledger.sha256(path)
    ledger.save()
    return found


def _require() -> None:
    """Raise UserError where torch, diffusers or transformers are not installed."""
    from importlib.util import find_spec  # noqa: PLC0415  # needed here only

    missing = [package for package in ("torch", "diffusers", "transformers", "accelerate") if find_spec(package) is None]
    if missing:
        raise UserError(
            f"checkpoints need {', '.join(missing)}, not installed; run: pip install 'aldente[diffusers]', and install torch"
            " as pytorch.org says for your machine."
        )
