"""``aldente models``: the embedded model, and every file of weights that is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from aldente.engine.errors import UserError, unknown
from aldente.engine.spelling import several
from aldente.interface.console import emit, say, table
from aldente.models.checkpoints.catalogue import Found, add, find, named, remove
from aldente.models.checkpoints.compositions import Composition, compose, composition, compositions, dissolve
from aldente.models.checkpoints.facts import CheckpointFacts, Kind
from aldente.models.checkpoints.hashes import auto_v2
from aldente.models.checkpoints.inspecting import SAFETENSORS
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.table import models

VERBS = ("list", "show", "add", "remove")


def command(
    verb: Annotated[str, typer.Argument(help=f"One of: {', '.join(VERBS)}.")] = "list",
    what: Annotated[str | None, typer.Argument(help="A model's name or path; for add also a folder of models.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help=f"List these only: {', '.join(get_args(Kind))}.")] = None,
    hashes: Annotated[bool, typer.Option("--hash", help="Hash every file that is listed; reads them whole, once.")] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="For show: read a .ckpt or .pt too, with a loader that runs nothing of it.")
    ] = False,
    vae: Annotated[
        str | None, typer.Option("--vae", help="For add: the autoencoder to draw a checkpoint with; a name or a file.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like", help="For add: a diffusers folder for what a file leaves out, its configurations, its tokenizers."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="For add with --vae or --like: what it is called.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """List the models, tell all about one, and say where yours are: list, show, add, remove."""
    if verb not in VERBS:
        raise unknown("verb of models", verb, VERBS)
    if kind is not None and kind not in get_args(Kind):
        raise unknown("kind", kind, get_args(Kind))
    ledger = Ledger()
    if verb == "list":
        _list(ledger, kind, hashes=hashes, as_json=as_json)
    elif verb == "show":
        _show(ledger, _named(verb, what), allow_pickle=allow_pickle, as_json=as_json)
    elif verb == "add" and (vae is not None or like is not None):
        _compose(ledger, _named(verb, what), vae, like, name, as_json=as_json)
    else:
        _remember(verb, _named(verb, what), as_json=as_json)
    ledger.save()


def _named(verb: str, what: str | None) -> str:
    if what is None:
        raise UserError(f"'models {verb}' needs to know which: aldente models {verb} path/to/models.")
    return what


def _compose(ledger: Ledger, what: str, vae: str | None, like: Path | None, name: str | None, *, as_json: bool) -> None:
    """Remember a checkpoint with parts from elsewhere."""
    path = named(what, ledger).path.absolute()
    other = None if vae is None else named(vae, ledger).path.absolute()
    folder = None if like is None else like.expanduser().absolute()
    called = name or f"{path.stem}-{(other or folder or path).stem}"
    compose(Composition(name=called, path=path, vae=other, like=folder))
    told = f"'{called}' is '{path.name}'" + "".join(f" with {part}" for part in (other, folder) if part is not None)
    emit({"added": called}) if as_json else say(f"{told}; draw with --model {called}.")


def _remember(verb: str, what: str, *, as_json: bool) -> None:
    path = Path(what)
    if verb == "remove" and composition(what) is not None:
        dissolve(what)
        emit({"removed": what}) if as_json else say(f"'{what}' is forgotten; its files stay.")
        return
    if verb == "remove":
        remove(path)
        emit({"removed": str(path)}) if as_json else say(f"'{path}' is forgotten; its files stay.")
        return
    count = add(path)
    if as_json:
        emit({"added": str(path), "models": count})
    else:
        say(f"{several(count, 'model')} in '{path}'; 'aldente models' lists them.")


def _list(ledger: Ledger, kind: str | None, *, hashes: bool, as_json: bool) -> None:
    own = [] if kind not in (None, "checkpoint") else [_own(asdict(entry.load(None).info)) for entry in models()]
    found = [one for one in find(ledger) if kind is None or (one.facts is not None and one.facts.kind == kind)]
    known = {
        one.path: ledger.sha256(one.path) if hashes else ledger.known_sha256(one.path) for one in found if one.path.is_file()
    }
    mixed = compositions() if kind in (None, "checkpoint") else []
    if as_json:
        emit([*own, *(_facts(one, known.get(one.path)) for one in found), *map(_parts, mixed)])
        return
    if own:
        table(("name", "model", "sizes", "sigma", "fingerprint"), [_row_of_own(info) for info in own])
    if found:
        say("")
        columns = ("name", "kind", "network", "size", "draws by", "hash", "of")
        table(columns, [_row(one, known.get(one.path)) for one in found])
    if mixed:
        say("")
        table(("name", "of", "VAE", "like"), [tuple(_parts(one).values()) for one in mixed])
    if not found and not mixed:
        say("No other models were found. 'aldente models add FOLDER' tells where yours are.")


def _parts(one: Composition) -> dict[str, str]:
    """A composition and what it is put together of."""
    return {"name": one.name, "path": str(one.path), "vae": str(one.vae or ""), "like": str(one.like or "")}


def _own(info: dict[str, Any]) -> dict[str, Any]:
    info.pop("sigmas")
    return info


def _row_of_own(info: dict[str, Any]) -> tuple[str, ...]:
    return (
        info["name"],
        info["title"],
        f"{info['size_min']} to {info['size_max']} px, multiples of {info['size_multiple']}",
        f"{info['sigma_min']:g} to {info['sigma_max']:g}",
        info["fingerprint"][:16],
    )


def _row(one: Found, sha: str | None) -> tuple[str, ...]:
    facts = one.facts
    kind, network = ("?", one.fault) if facts is None else (facts.kind, _network(facts))
    draws = "" if facts is None else _draws(facts)
    return (one.name, kind, network, _amount(one.size), draws, auto_v2(sha) if sha else "", one.program)


def _network(facts: CheckpointFacts) -> str:
    alone = facts.title if facts.kind == "checkpoint" and facts.layout == "diffusers" else ""
    told = [facts.architecture or alone, facts.variant, facts.network]
    rank = f"rank {facts.rank}" if facts.rank else ""
    return " ".join(part for part in (*told, rank) if part)


def _draws(facts: CheckpointFacts) -> str:
    steps = "" if facts.steps is None else f"{facts.distilled or 'distilled'}, {_range(facts.steps)} steps"
    shift = "" if facts.shift is None else f"shift {facts.shift:g}"
    first = "" if not facts.native else f"{facts.native[0][0]} px"
    parts = (facts.prediction or "", "zero SNR" if facts.zero_snr else "", shift, first, steps)
    return ", ".join(part for part in parts if part)


def _range(steps: Sequence[int]) -> str:
    low, high = steps
    return str(low) if low == high else f"{low} to {high}"


def _amount(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _facts(one: Found, sha: str | None) -> dict[str, Any]:
    facts = {} if one.facts is None else asdict(one.facts)
    about = {"name": one.name, "path": str(one.path), "program": one.program, "bytes": one.size, "sha256": sha}
    return {**about, **facts, "fault": one.fault}


def _show(ledger: Ledger, name: str, *, allow_pickle: bool, as_json: bool) -> None:
    """Everything about one model, its hashes included."""
    one = named(name, ledger)
    facts = one.facts if one.facts is not None else ledger.facts(one.path, allow_pickle=allow_pickle)
    hashed = _hashes(ledger, one.path)
    if as_json:
        emit({"name": one.name, "path": str(one.path), "bytes": one.size, **asdict(facts), "hashes": hashed})
        return
    shown = {"path": str(one.path), "size": _amount(one.size), **_lines(facts), **hashed}
    for label, value in shown.items():
        say(f"{label + ':':20s}{value}")


def _lines(facts: CheckpointFacts) -> dict[str, str]:
    lines = {
        "kind": facts.kind,
        "network": _network(facts),
        "title": facts.title,
        "parameters": f"{facts.numbers / 1e6:,.1f} million, mostly {facts.dtype}" if facts.numbers else "",
        "parts": ", ".join(facts.has),
        "prediction": f"{facts.prediction} (told by {facts.prediction_from})" if facts.prediction else "",
        "zero SNR": "yes" if facts.zero_snr else "",
        "flow shift": "" if facts.shift is None else f"{facts.shift:g}",
        "sizes": ", ".join(f"{width}x{height}" for width, height in facts.native),
        "made for": "" if facts.steps is None else f"{_range(facts.steps)} steps ({facts.distilled})",
        "note": "; ".join(facts.notes),
    }
    return {label: value for label, value in lines.items() if value}


def _hashes(ledger: Ledger, path: Path) -> dict[str, str]:
    if path.is_dir():
        return {}
    whole = ledger.sha256(path)
    found = {"sha256": whole, "AutoV2": auto_v2(whole), "AutoV1": ledger.auto_v1(path)}
    if path.suffix.lower() == SAFETENSORS:
        found["AutoV3 (LoRA hash)"] = ledger.tensor_sha256(path)[:12]
    return found
