"""What is known about a picture once it is drawn: its cost, its quality and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from aldente.recipe.recipe import Recipe
from aldente.recipe.value import Value


def _utc(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} names no time zone; write it as 2026-01-31T12:00:00Z")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


ALWAYS_MEASURED = ("clipped",)
"""Metrics that every picture has that is drawn or taken in, but for very large ones."""

Instant = Annotated[str, AfterValidator(_utc)]
"""A moment in UTC to the microsecond, ISO 8601, one spelling: ``2026-01-31T12:00:00.000000Z``."""


def now() -> str:
    """The present moment, as an ``Instant``."""
    return _utc(datetime.now(UTC).isoformat())


class StageCost(Value):
    """What one stage of a recipe cost."""

    stage: str
    model_calls: int = Field(ge=0)
    seconds: float = Field(ge=0)
    peak_bytes: int | None = Field(default=None, ge=0)


class Cost(Value):
    """What a picture cost: model calls (rows evaluated), wall-clock seconds, peak memory; whole and by stage."""

    model_calls: int = Field(ge=0)
    seconds: float = Field(ge=0)
    peak_bytes: int | None = Field(default=None, ge=0)
    stages: tuple[StageCost, ...] = ()


class Provenance(Value):
    """Which programs, weights and machine made a picture, and when.

    A picture from elsewhere names the ``program`` that made it, the file that it was ``imported_from`` and, where that keeps
    pixels only nearly, its format (``imported_as``): such a picture is not to the last bit what its recipe draws.
    ``loras`` are those that its prompts name, each with the SHA-256 of its tensors.
    """

    aldente: str
    engine: str
    model: str
    model_fingerprint: str
    runtime: str
    runtime_version: str
    device: str
    dtype: str
    threads: int | None = Field(default=None, ge=1)
    python: str
    platform: str
    created: Instant
    loras: tuple[tuple[str, str], ...] | None = None
    program: str | None = None
    imported_from: str | None = None
    imported_as: str | None = None


class Score(Value):
    """What one version of a metric said about a picture."""

    metric: str = Field(min_length=1)
    version: str
    value: float


class Record(Value):
    """One picture (or one failed attempt at it) and all that is known about it.

    ``image_hash`` is of the pixels, ``file_hash`` of the file that holds them (set by the store), ``parents`` are the file
    hashes of the pictures that it was made from, as its recipe names them. A record either has an ``image_hash`` or says why
    it ``failed``. ``tags`` (sorted), ``rating`` and ``note`` are what its user said of it, ``wins``
    and ``losses`` how many votes it won and lost against other pictures (counted by the store).
    """

    id: str
    recipe: Recipe
    recipe_digest: str
    image_hash: str | None = None
    file_hash: str | None = None
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    cost: Cost
    quality: tuple[Score, ...] = ()
    provenance: Provenance
    plan: str | None = None
    study: str | None = None
    preset: str | None = None
    parents: tuple[str, ...] = ()
    failed: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    rating: int | None = Field(default=None, ge=1, le=5)
    note: str | None = None
    wins: int = Field(default=0, ge=0)
    losses: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _picture_or_reason(self) -> Self:
        if (self.image_hash is None) == (self.failed is None):
            raise ValueError("a record has either an image_hash or a reason why it failed")
        return self


def sources(recipe: Recipe) -> tuple[str, ...]:
    """The hashes of the files that a recipe starts from, is masked or controlled by, each once."""
    rows = [*recipe.stages, *(recipe.controls or ())]
    named = [getattr(row, field, "") for row in rows for field in ("image", "mask")]
    return tuple(dict.fromkeys(name for name in named if name))


def image_hash(image: Any) -> str:
    """The SHA-256 of a picture (uint8, h w c): of ``"h,w,c;"`` in ASCII, then of its bytes row by row.

    Raises ValueError when the array is not uint8 with three axes.
    """
    if image.ndim != 3 or str(image.dtype) != "uint8":
        raise ValueError(f"a picture is uint8 with axes h w c, not {image.dtype} with shape {tuple(image.shape)}")
    height, width, channels = image.shape
    digest = hashlib.sha256(f"{height},{width},{channels};".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def record_id(recipe_digest: str, model_fingerprint: str, image_hash: str | None) -> str:
    """The identity of a record, 32 hexadecimal digits: what was asked, of which weights, and which picture came back."""
    return hashlib.sha256(f"{recipe_digest}/{model_fingerprint}/{image_hash or 'failed'}".encode()).hexdigest()[:32]


def picture(
    recipe: Recipe,
    image: Any,
    *,
    cost: Cost,
    provenance: Provenance,
    quality: Sequence[Score] = (),
    plan: str | None = None,
    study: str | None = None,
    preset: str | None = None,
    parents: Sequence[str] = (),
) -> Record:
    """The record of a drawn ``image`` (uint8, h w 3); ``parents`` come after the recipe's own sources."""
    digest, pixels = recipe.digest(), image_hash(image)
    return Record(
        id=record_id(digest, provenance.model_fingerprint, pixels),
        recipe=recipe,
        recipe_digest=digest,
        image_hash=pixels,
        width=image.shape[1],
        height=image.shape[0],
        cost=cost,
        quality=tuple(quality),
        provenance=provenance,
        plan=plan,
        study=study,
        preset=preset,
        parents=tuple(dict.fromkeys((*sources(recipe), *parents))),
    )


def failure(
    recipe: Recipe,
    reason: str,
    *,
    cost: Cost,
    provenance: Provenance,
    plan: str | None = None,
    study: str | None = None,
    preset: str | None = None,
) -> Record:
    """The record of a recipe that could not be drawn, and why."""
    digest = recipe.digest()
    return Record(
        id=record_id(digest, provenance.model_fingerprint, None),
        recipe=recipe,
        recipe_digest=digest,
        width=recipe.width,
        height=recipe.height,
        cost=cost,
        provenance=provenance,
        plan=plan,
        study=study,
        preset=preset,
        failed=reason,
    )
