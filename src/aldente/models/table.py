"""The models that aldente knows by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aldente.engine.errors import UserError, unknown
from aldente.models import diffusers, pastina
from aldente.models.checkpoints.catalogue import Found, add, find, named
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.port import Model

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

    Raises ``UserError`` naming the nearest one if there is none.
    """
    wanted = name.strip().lower()
    for entry in models():
        if wanted in (entry.name, *entry.aliases):
            return entry
    return _checkpoint(name.strip())


def _checkpoint(name: str) -> ModelEntry:
    """The user's checkpoint of that name or path, where one is found."""
    ledger = Ledger()
    try:
        found = named(name, ledger)
    except UserError as error:
        if not str(error).startswith("model "):
            raise
        known = [one.name for one in find(ledger) if one.facts is not None and one.facts.kind in DRAWING]
        raise unknown("model", name, (*(entry.name for entry in models()), *known)) from None
    ledger.save()
    if found.facts is None:
        raise UserError(f"model '{name}' cannot be opened: {found.fault}.")
    if found.facts.kind not in DRAWING:
        raise UserError(f"'{found.name}' is a {found.facts.kind}, which cannot draw by itself; name a checkpoint.")
    return ModelEntry(name=found.name, title=found.name, aliases=(), load=partial(_loaded, found))


def _loaded(found: Found, threads: int | None) -> Model:
    """The checkpoint, remembered so that its pictures can be drawn again by its name."""
    model = diffusers.load(found.path, name=found.name, facts=found.facts, plan=None if threads is None else _plan(threads))
    if not found.program:
        add(found.path)
    return model


def _plan(threads: int) -> diffusers.Plan:
    return diffusers.usual_plan(threads)
