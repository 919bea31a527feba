"""The models that aldente knows by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aldente.engine.errors import unknown
from aldente.models import pastina
from aldente.models.port import Model


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model by ``name`` (or one of ``aliases``); ``load`` opens it on so many threads, or on as many as suit it."""

    name: str
    title: str
    aliases: tuple[str, ...]
    load: Callable[[int | None], Model]


def models() -> tuple[ModelEntry, ...]:
    """Every model, the default first."""
    return (ModelEntry(name="pastina", title="pastina (embedded, 64 px)", aliases=("embedded", "default"), load=pastina.load),)


def find_model(name: str) -> ModelEntry:
    """The model called ``name``, capitals aside; raises ``UserError`` naming the nearest one if there is none."""
    wanted = name.strip().lower()
    for entry in models():
        if wanted in (entry.name, *entry.aliases):
            return entry
    raise unknown("model", name, (entry.name for entry in models()))
