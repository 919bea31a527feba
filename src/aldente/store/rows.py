"""Records as rows of tables, and rows as records."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, Select, func, select

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.store.record import Cost, Provenance, Record, Score, StageCost
from aldente.store.tables import costs, images, parents, provenances, recipes, scores, tags, votes

Fields = dict[str, Any]

CHUNK = 500
"""How many values one statement compares with: SQLite allows 32766, older ones 999."""


SAME = ("id", "recipe_digest", "image_hash", "width", "height", "plan", "study", "preset", "category", "rating", "note")
"""Fields of a record that are columns of the same name."""


def joined() -> Select[Any]:
    """Everything about pictures that is one row each."""
    return (
        select(images, recipes.c.canonical.label("recipe"), provenances.c.canonical.label("maker"))
        .join(recipes, recipes.c.digest == images.c.recipe_digest)
        .join(provenances, provenances.c.digest == images.c.provenance)
    )


def records(connection: Connection, query: Select[Any]) -> list[Record]:
    """The records that ``query`` (made of ``joined``) selects, in its order."""
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    about = {table.name: _by_image(connection, table, ids) for table in (costs, scores, parents)}
    tagged, voted = _tags(connection, [row.at for row in rows]), vote_counts(connection, ids)
    return [
        _record(row, {name: found[row.id] for name, found in about.items()}, tagged[row.at], voted.get(row.id, (0, 0)))
        for row in rows
    ]


def vote_counts(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many votes pictures won and lost, by id; those without any are left out."""
    found: dict[str, list[int]] = {}
    for place, column in enumerate((votes.c.better, votes.c.worse)):
        for start in range(0, len(ids), CHUNK):
            query = select(column, func.count()).where(column.in_(ids[start : start + CHUNK])).group_by(column)
            for id_, number in connection.execute(query):
                found.setdefault(id_, [0, 0])[place] = number
    return {id_: (won, lost) for id_, (won, lost) in found.items()}


def _tags(connection: Connection, places: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for start in range(0, len(places), CHUNK):
        query = select(tags).where(tags.c.at.in_(places[start : start + CHUNK])).order_by(tags.c.at, tags.c.tag)
        for row in connection.execute(query):
            found[row.at].append(row.tag)
    return found


def _by_image(connection: Connection, table: Any, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for start in range(0, len(ids), CHUNK):
        query = select(table).where(table.c.image_id.in_(ids[start : start + CHUNK])).order_by(*table.primary_key.columns)
        for row in connection.execute(query):
            found[row.image_id].append(row)
    return found


def _record(row: Row[Any], about: Mapping[str, list[Row[Any]]], tagged: Sequence[str], voted: tuple[int, int]) -> Record:
    same = {name: getattr(row, name) for name in (*SAME, "file_hash")}
    stages = tuple(
        StageCost(stage=c.stage, model_calls=c.model_calls, seconds=c.seconds, peak_bytes=c.peak_bytes) for c in about["costs"]
    )
    return Record(
        recipe=_recipe(row),
        cost=Cost(model_calls=row.model_calls, seconds=row.seconds, peak_bytes=row.peak_bytes, stages=stages),
        quality=tuple(Score(metric=s.metric, version=s.version, value=s.value) for s in about["scores"]),
        provenance=Provenance(**json.loads(row.maker), created=row.created),
        parents=tuple(p.parent for p in about["parents"]),
        failed=row.failed,
        tags=tuple(tagged),
        wins=voted[0],
        losses=voted[1],
        **same,
    )


def _recipe(row: Row[Any]) -> Recipe:
    try:
        return Recipe.model_validate_json(row.recipe)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"the recipe of picture {row.id} is not one that this aldente knows ({where}: {first['msg']}); upgrade aldente."
        ) from error


def recipe_row(record: Record) -> Fields:
    """The row of a record's recipe."""
    recipe = record.recipe
    return {
        "digest": record.recipe_digest,
        "canonical": recipe.canonical(),
        "model": plain(recipe.model),
        "prompt": plain(recipe.prompt),
        "sampler": plain(recipe.sampling.sampler),
        "schedule": plain(recipe.sampling.schedule),
        "steps": recipe.sampling.steps,
        "cfg": recipe.sampling.guidance.scale,
        "seed": recipe.seed,
        "width": recipe.width,
        "height": recipe.height,
    }


def provenance_row(record: Record) -> Fields:
    """The row of a record's provenance without its time: many pictures share one."""
    facts = record.provenance.model_dump(mode="json", exclude={"created"}, exclude_none=True)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"digest": hashlib.sha256(canonical.encode()).hexdigest(), "canonical": canonical}


def image_row(record: Record, provenance: str) -> Fields:
    """The row of a record itself, without its file."""
    note = None if record.note is None else plain(record.note)
    return {name: getattr(record, name) for name in SAME} | {
        "note": note,
        "model_fingerprint": record.provenance.model_fingerprint,
        "model_calls": record.cost.model_calls,
        "seconds": record.cost.seconds,
        "peak_bytes": record.cost.peak_bytes,
        "provenance": provenance,
        "failed": None if record.failed is None else plain(record.failed),
        "created": record.provenance.created,
    }


def cost_rows(record: Record) -> list[Fields]:
    """A row for each stage of a record's cost."""
    return [{"image_id": record.id, "position": i, **stage.model_dump()} for i, stage in enumerate(record.cost.stages)]


def score_rows(record_id: str, quality: Sequence[Score]) -> list[Fields]:
    """A row for each score."""
    return [{"image_id": record_id, **score.model_dump()} for score in quality]


def parent_rows(record: Record) -> list[Fields]:
    """A row for each picture that a record's picture was made from."""
    return [{"image_id": record.id, "position": i, "parent": parent} for i, parent in enumerate(record.parents)]


def plain(text: str) -> str:
    """The text without NUL, which PostgreSQL cannot hold; canonical JSON keeps it, escaped."""
    return text.replace("\0", "\ufffd")
