"""Plans, studies and presets in the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from aldente.engine.errors import UserError, unknown
from aldente.recipe.value import Value
from aldente.store.entries import PlanEntry, PresetEntry, StudyEntry, StudyRow
from aldente.store.record import now
from aldente.store.rows import CHUNK
from aldente.store.statements import add_new
from aldente.store.tables import plan_cells, plans, presets, studies, study_rows


def save_plan(connection: Connection, plan: Value, cells: Sequence[str]) -> PlanEntry:
    """The plan as stored."""
    digest = plan.digest()
    rows = [{"plan": digest, "position": i, "recipe_digest": cell} for i, cell in enumerate(cells)]
    add_new(connection, plans, [{"digest": digest, "canonical": plan.canonical(), "created": now()}])
    add_new(connection, plan_cells, rows)
    return plan_entry(connection, digest)


def plan_entry(connection: Connection, prefix: str) -> PlanEntry:
    """The plan whose digest begins with ``prefix``; raises UserError when there is none, or more than one."""
    query = select(plans).where(plans.c.digest >= prefix, plans.c.digest < prefix + "g").limit(2)
    found = connection.execute(query).all()
    if len(found) != 1:
        why = "is the beginning of several ids; give more digits" if found else "is not the id of a plan in this store"
        raise UserError(f"plan '{prefix}' {why}.")
    row = found[0]
    cells = select(plan_cells.c.recipe_digest).where(plan_cells.c.plan == row.digest).order_by(plan_cells.c.position)
    digests = tuple(connection.execute(cells).scalars())
    return PlanEntry(id=row.digest, spec=json.loads(row.canonical), cells=digests, created=row.created)


def save_study(connection: Connection, study: StudyEntry) -> StudyEntry:
    """The study as stored, in its new state."""
    row = study.model_dump() | {"spec": _text(study.spec)}
    add_new(connection, studies, [row])
    state = {"state": study.state, "finished": study.finished}
    connection.execute(update(studies).where(studies.c.id == study.id).values(state))
    return study_entry(connection, study.id)


def study_entry(connection: Connection, study_id: str) -> StudyEntry:
    """The study with this id; raises UserError when there is none."""
    row = connection.execute(select(studies).where(studies.c.id == study_id)).one_or_none()
    if row is None:
        raise _unknown(connection, "study", study_id, studies.c.id, studies)
    return _study(row)


def latest_studies(connection: Connection, kind: str | None, limit: int) -> list[StudyEntry]:
    """Studies, newest first."""
    query = select(studies).order_by(studies.c.created.desc(), studies.c.id.desc()).limit(limit)
    return [_study(row) for row in connection.execute(query if kind is None else query.where(studies.c.kind == kind))]


def append_rows(connection: Connection, study_id: str, rows: Sequence[StudyRow]) -> int:
    """Add the rows whose keys the study does not have, and return how many these were."""
    study_entry(connection, study_id)
    if connection.dialect.name == "postgresql":
        # Holds back others that append to the same study, so that what is looked up here stays true.
        connection.execute(select(studies.c.id).where(studies.c.id == study_id).with_for_update())
    first = {row.key: row for row in reversed(rows)}
    keys = list(first)
    present: set[str] = set()
    for start in range(0, len(keys), CHUNK):
        query = select(study_rows.c.key).where(study_rows.c.study == study_id)
        present |= set(connection.execute(query.where(study_rows.c.key.in_(keys[start : start + CHUNK]))).scalars())
    new = [first.pop(row.key) for row in rows if row.key in first and row.key not in present]
    if new:
        connection.execute(insert(study_rows), [{"study": study_id, "key": row.key, "body": _text(row.body)} for row in new])
    return len(new)


def rows_of(connection: Connection, study_id: str) -> list[StudyRow]:
    """All rows of a study in the order they were added; raises UserError when there is no such study."""
    study_entry(connection, study_id)
    query = select(study_rows.c.key, study_rows.c.body).where(study_rows.c.study == study_id).order_by(study_rows.c.number)
    return [StudyRow(key=row.key, body=json.loads(row.body)) for row in connection.execute(query)]


def save_preset(connection: Connection, preset: PresetEntry) -> None:
    """Save a preset in place of an earlier one of its name."""
    connection.execute(delete(presets).where(presets.c.name == preset.name))
    add_new(connection, presets, [preset.model_dump() | {"body": _text(preset.body)}])


def preset_entry(connection: Connection, name: str) -> PresetEntry:
    """The preset of this name; raises UserError when there is none."""
    row = connection.execute(select(presets).where(presets.c.name == name)).one_or_none()
    if row is None:
        raise _unknown(connection, "preset", name, presets.c.name, presets)
    return _preset(row)


def all_presets(connection: Connection) -> list[PresetEntry]:
    """All presets by name."""
    return sorted((_preset(row) for row in connection.execute(select(presets))), key=lambda preset: preset.name)


def _unknown(connection: Connection, kind: str, name: str, column: Any, table: Table) -> UserError:
    names = list(connection.execute(select(column).order_by(table.c.created.desc()).limit(100)).scalars())
    if not names:
        return UserError(f"{kind} '{name}' is not known; the store holds none yet.")
    return unknown(kind, name, names)


def _study(row: Row[Any]) -> StudyEntry:
    same = {name: getattr(row, name) for name in ("id", "kind", "state", "created", "finished")}
    return StudyEntry(spec=json.loads(row.spec), **same)


def _preset(row: Row[Any]) -> PresetEntry:
    return PresetEntry(name=row.name, body=json.loads(row.body), study=row.study, created=row.created)


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
