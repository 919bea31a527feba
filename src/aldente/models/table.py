"""The models that aldente knows by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aldente.engine.errors import UserError, unknown
from aldente.models import diffusers, pastina
from aldente.models.checkpoints.catalogue import Found, add, find, named
from aldente.models.checkpoints.compositions import Composition, composition, compositions
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.port import Model
from aldente.models.relay import Relay

SWITCH = 0.8
"""Where SDXL's base hands over to its refiner, as its release recommends."""

_RELAY = re.compile(r"(.+)\+([^+@]+?)(?:@(0?\.[0-9]+))?")

STEERING = ("controlnet", "t2i-adapter", "ip-adapter")
"""The kinds of files that steer."""

_LIKE: Mapping[str, str] = {"sd3.5-medium": "sd3", "sd3.5-large": "sd3", "flux-schnell": "flux-dev"}
"""Architectures whose control networks are told apart only when they are opened."""

DRAWING = ("checkpoint", "denoiser")
"""The kinds of files that can draw."""


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model by ``name`` (or one of ``aliases``); ``load`` opens it on so many threads, or on as many as suit it."""

    name: str
    title: str
    aliases: tuple[str, ...]
    load: Callable[[int | None], Model]


def models() -> tuple[ModelEntry, ...]:
    """Every model that comes with aldente, the default first."""
    return (ModelEntry(name="pastina", title="pastina (embedded, 64 px)", aliases=("embedded", "default"), load=pastina.load),)


def find_model(name: str) -> ModelEntry:
    """The model called ``name``, capitals aside: one of aldente's, or a user's checkpoint by its name or path.

    ``base+refiner@0.8`` is a checkpoint that hands over to another at that share of the training timesteps (``SWITCH``, if it
    is not said).

    Raises ``UserError`` naming the nearest one if there is none.
    """
    wanted = name.strip().lower()
    for entry in models():
        if wanted in (entry.name, *entry.aliases):
            return entry
    try:
        return _checkpoint(name.strip())
    except UserError:
        two = _RELAY.fullmatch(name.strip())
        if two is None:
            raise
        return _relay(find_model(two[1]), find_model(two[2]), float(two[3] or SWITCH))


def _relay(first: ModelEntry, second: ModelEntry, switch: float) -> ModelEntry:
    """One model that hands over to another, named after both."""
    name = f"{first.name}+{second.name}@{switch:g}"

    def load(threads: int | None) -> Model:
        return Relay(first.load(threads), second.load(threads), switch, name=name)

    return ModelEntry(name=name, title=f"{first.title}, then {second.title}", aliases=(), load=load)


def _checkpoint(name: str) -> ModelEntry:
    """The user's checkpoint of that name or path, where one is found."""
    ledger, mixed = Ledger(), composition(name)
    if mixed is not None:
        return ModelEntry(name=mixed.name, title=mixed.name, aliases=(), load=partial(_composed, mixed))
    try:
        found = named(name, ledger)
    except UserError as error:
        if not str(error).startswith("model "):
            raise
        known = [one.name for one in find(ledger) if one.facts is not None and one.facts.kind in DRAWING]
        known += [one.name for one in compositions()]
        raise unknown("model", name, (*(entry.name for entry in models()), *known)) from None
    ledger.save()
    if found.facts is None:
        raise UserError(f"model '{name}' cannot be opened: {found.fault.rstrip('.')}.")
    if found.facts.kind not in DRAWING:
        raise UserError(f"'{found.name}' is a {found.facts.kind}, which cannot draw by itself; name a checkpoint.")
    return ModelEntry(name=found.name, title=found.name, aliases=(), load=partial(_loaded, found))


def _controls(facts: CheckpointFacts | None) -> dict[str, Path]:
    """The control networks and adapters that are found for the architecture, by name."""
    ledger = Ledger()
    kin = [one for one in find(ledger) if one.facts is not None and one.facts.kind in STEERING]
    ledger.save()
    own = _like(facts)
    return {one.name: one.path for one in kin if own is not None and _like(one.facts) == own}


def _like(facts: CheckpointFacts | None) -> str | None:
    """What stands for an architecture and those like it."""
    architecture = None if facts is None else facts.architecture
    return None if architecture is None else _LIKE.get(architecture, architecture)


def _composed(mixed: Composition, threads: int | None) -> Model:
    """A checkpoint with parts from elsewhere."""
    ledger = Ledger()
    facts = ledger.facts(mixed.path)
    ledger.save()
    return diffusers.load(
        mixed.path, name=mixed.name, facts=facts, threads=threads, controls=_controls(facts), vae=mixed.vae, like=mixed.like
    )


def _loaded(found: Found, threads: int | None) -> Model:
    """The checkpoint, remembered so that its pictures can be drawn again by its name."""
    model = diffusers.load(found.path, name=found.name, facts=found.facts, threads=threads, controls=_controls(found.facts))
    if not found.program:
        add(found.path)
    return model
