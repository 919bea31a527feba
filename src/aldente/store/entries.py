"""What the store keeps beside pictures: plans, studies with their measured rows, presets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aldente.recipe.value import Value
from aldente.store.record import Instant, now

StudyState = Literal["running", "finished", "failed", "cancelled"]


class PlanEntry(Value):
    """A plan as it was saved: its digest, the plan itself (``spec``, JSON) and the recipe digest of each cell in order."""

    id: str
    spec: dict[str, Any]
    cells: tuple[str, ...]
    created: Instant


class StudyEntry(Value):
    """A study: its kind, what it was asked (``spec``, JSON) and how far it is.

    The caller chooses the id, so that it can find the study again.
    """

    id: str = Field(min_length=1, max_length=64)
    kind: str = Field(min_length=1, max_length=64)
    spec: dict[str, Any]
    state: StudyState = "running"
    created: Instant = Field(default_factory=now)
    finished: Instant | None = None


class StudyRow(Value):
    """One measured row of a study: ``key`` (a digest) says what was measured, ``body`` (JSON, all finite) what came out."""

    key: str = Field(min_length=1, max_length=64)
    body: dict[str, Any]


class PresetEntry(Value):
    """A preset by its name, with the id of the study that proves it, if any."""

    name: str = Field(min_length=1, max_length=200)
    body: dict[str, Any]
    study: str | None = None
    created: Instant = Field(default_factory=now)
