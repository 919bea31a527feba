"""The catalogue: what each picture can be asked about, laid out so that a million pictures answer at once.

One narrow row per picture in the order of time (``at``), texts as numbers of ``words``; what few pictures have (metrics and the
parameters of rarer stages) as ``traits``. All of it follows from the records and can be made again from them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, text, update

from aldente.recipe.parameters import Scalar, parameters
from aldente.recipe.recipe import Recipe
from aldente.store.record import Record, Score
from aldente.store.rows import CHUNK, Fields, joined, plain, records
from aldente.store.statements import add_new
from aldente.store.tables import catalogue, images, traits, words

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
TIES = 4096
"""How many pictures of one microsecond keep an order of their own: by the first three digits of their ids."""

COMMON = ("model", "prompt", "negative", "sampler", "schedule", "rng", "steps", "cfg", "seed", "width", "height")
"""Parameters that every recipe sets: columns of the catalogue. The others are traits of the recipes that set them."""

WORDED = frozenset({"model", "prompt", "negative", "sampler", "schedule", "rng", "program", "category", "preset"})
"""Columns of the catalogue that hold the number of a word."""

SEED_MIDDLE = 2**63
METRIC, FACT = "metric ", "fact "
"""What the names of traits that are no parameters begin with in ``words``."""


class Entry(NamedTuple):
    """What a picture can be asked about: its place, its columns and traits, texts not yet as numbers."""

    at: int
    columns: dict[str, Scalar]
    traits: dict[str, Scalar]


def place(created: str, id_: str) -> int:
    """Where a record stands in the order of time: microseconds since 2020, then the beginning of its id."""
    since = datetime.fromisoformat(created) - EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    highest = 2**63 // TIES - 2
    return max(-highest, min(microseconds, highest)) * TIES + int(id_[:3], 16)


def placed(connection: Connection, new: Sequence[Record]) -> dict[str, int]:
    """A place of its own for each record, by id."""
    wanted = {record.id: place(record.provenance.created, record.id) for record in new}
    taken = _taken(connection, list(wanted.values()))
    for id_, at in sorted(wanted.items(), key=lambda item: (item[1], item[0])):
        free = at
        while free in taken:
            free += 1
            taken |= _taken(connection, [free])
        taken.add(free)
        wanted[id_] = free
    return wanted


def _taken(connection: Connection, places: Sequence[int]) -> set[int]:
    taken: set[int] = set()
    for start in range(0, len(places), CHUNK):
        taken |= set(connection.execute(select(images.c.at).where(images.c.at.in_(places[start : start + CHUNK]))).scalars())
    return taken


def add_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Catalogue pictures whose records are there."""
    named = {
        (key, str(value)) for entry in entries for key, value in entry.columns.items() if key in WORDED and value is not None
    }
    named |= {("name", name) for entry in entries for name in entry.traits}
    named |= {(name, value) for entry in entries for name, value in entry.traits.items() if isinstance(value, str)}
    number = ensure_words(connection, named)
    rows = []
    for entry in entries:
        row: Fields = {"at": entry.at, **entry.columns}
        row |= {key: number[key, str(row[key])] for key in WORDED if row.get(key) is not None}
        rows.append(row)
    add_new(connection, catalogue, rows)
    add_new(connection, traits, [_trait(e.at, name, value, number) for e in entries for name, value in e.traits.items()])


def _trait(at: int, name: str, value: Scalar, number: Mapping[tuple[str, str], int]) -> Fields:
    is_text = isinstance(value, str)
    return {
        "at": at,
        "name": number["name", name],
        "number": None if is_text else float(value or 0),
        "word": number[name, str(value)] if is_text else None,
    }


def entry(record: Record, at: int) -> Entry:
    """What a record can be asked about."""
    recipe, cost = record.recipe, record.cost
    sampling = recipe.sampling
    columns: dict[str, Scalar] = {
        "failed": int(record.failed is not None),
        **{name: getattr(recipe, name) for name in ("model", "prompt", "negative", "width", "height")},
        **{name: getattr(sampling, name) for name in ("sampler", "schedule", "rng", "steps")},
        "cfg": sampling.guidance.scale,
        "seed": recipe.seed - SEED_MIDDLE,
        "program": record.provenance.program or "aldente",
        "category": record.category,
        "preset": record.preset,
        "calls": cost.model_calls,
        "seconds": cost.seconds,
        "peak": cost.peak_bytes,
        "rating": record.rating,
    }
    facts: dict[str, Scalar] = {"note": record.note, "error": record.failed, "study": record.study}
    if record.wins or record.losses:
        facts |= {"wins": record.wins, "losses": record.losses}
    said: dict[str, Scalar] = {FACT + name: value for name, value in facts.items() if value is not None}
    return Entry(at, columns, rare(recipe) | said | {METRIC + s.metric: s.value for s in record.quality})


def rare(recipe: Recipe) -> dict[str, Scalar]:
    """The parameters that this recipe sets and not every recipe does."""
    found: dict[str, Scalar] = {}
    for steps, named in _rare():
        holder = _at(recipe, steps)
        if holder is not None:
            values = ((name, getattr(holder, last, None)) for name, last in named)
            found |= {name: value for name, value in values if value is not None}
    return found


@cache
def _rare() -> tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]:
    """Where the rarer parameters stand: the path of a part of the recipe, then the names of those in it and their fields."""
    parts: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for parameter in parameters():
        if parameter.name not in COMMON and parameter.kind != "size":
            *steps, last = parameter.path.split(".")
            parts[tuple(steps)].append((parameter.name, last))
    return tuple((steps, tuple(named)) for steps, named in parts.items())


def _at(value: Any, steps: Sequence[str]) -> Any:
    """The part of a recipe at a path; None where there is nothing."""
    for step in steps:
        if isinstance(value, tuple):
            rows = [value[int(step)]] if step.isdecimal() and int(step) < len(value) else []
            rows = rows or [row for row in value if getattr(row, "kind", None) == step]
            value = rows[0] if rows else None
        else:
            value = getattr(value, step, None)
        if value is None:
            return None
    return value


def folded(word: str) -> str:
    """A text as it is compared: in any case, without signs that a database cannot hold."""
    return plain(word).casefold().encode(errors="replace").decode()


def key_of(kind: str, word: str) -> str:
    """The key of a word of a kind."""
    return hashlib.sha256(f"{kind}\0{folded(word)}".encode()).hexdigest()[:32]


def ensure_words(connection: Connection, named: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The numbers of words by kind and word; those that are new are added."""
    keys = {each: key_of(*each) for each in named}
    known = _numbers(connection, set(keys.values()))
    fresh = {key: each for each, key in keys.items() if key not in known}
    if fresh:
        rows = [{"kind": kind, "key": key, "folded": folded(word)} for key, (kind, word) in fresh.items()]
        add_new(connection, words, rows, by=["key"])
        added = _numbers(connection, set(fresh))
        if connection.dialect.name == "sqlite":
            parts = [{"id": added[key], "folded": folded(word)} for key, (_, word) in fresh.items()]
            connection.execute(text("INSERT INTO words_parts (rowid, folded) VALUES (:id, :folded)"), parts)
        known |= added
    return {each: known[key] for each, key in keys.items()}


def _numbers(connection: Connection, keys: set[str]) -> dict[str, int]:
    ordered = sorted(keys)
    found: dict[str, int] = {}
    for start in range(0, len(ordered), CHUNK):
        query = select(words.c.key, words.c.id).where(words.c.key.in_(ordered[start : start + CHUNK]))
        found |= {row.key: row.id for row in connection.execute(query)}
    return found


def renew(connection: Connection, record: Record, at: int) -> None:
    """Catalogue again what users may change of a picture: its rating, category and note."""
    number = ensure_words(connection, {("category", record.category)} if record.category is not None else ())
    category = None if record.category is None else number["category", record.category]
    changed = {"rating": record.rating, "category": category}
    connection.execute(update(catalogue).where(catalogue.c.at == at).values(changed))
    kind = FACT + "note"
    name = ensure_words(connection, [("name", kind)])["name", kind]
    connection.execute(delete(traits).where(traits.c.at == at, traits.c.name == name))
    if record.note is not None:
        number = ensure_words(connection, [("name", kind), (kind, record.note)])
        add_new(connection, traits, [_trait(at, kind, record.note, number)])


def renew_votes(connection: Connection, at: int, wins: int, losses: int) -> None:
    """Catalogue again how many votes a picture won and lost; of one without votes nothing is said."""
    kinds = {FACT + "wins": wins, FACT + "losses": losses}
    number = ensure_words(connection, [("name", kind) for kind in kinds])
    connection.execute(delete(traits).where(traits.c.at == at, traits.c.name.in_(number.values())))
    if wins or losses:
        add_new(connection, traits, [_trait(at, kind, value, number) for kind, value in kinds.items()])


def add_metrics(connection: Connection, quality: Mapping[int, Sequence[Score]]) -> None:
    """Catalogue what metrics said of pictures, by place; the metric's newest word counts."""
    named = {("name", METRIC + score.metric) for said in quality.values() for score in said}
    number = ensure_words(connection, named)
    rows = {(at, number["name", METRIC + s.metric]): s.value for at, said in quality.items() for s in said}
    for (at, name), value in rows.items():
        same = (traits.c.at == at) & (traits.c.name == name)
        connection.execute(update(traits).where(same).values(number=value))
    add_new(connection, traits, [{"at": at, "name": name, "number": v, "word": None} for (at, name), v in rows.items()])


def catalogue_missing(connection: Connection) -> int:
    """Catalogue every picture that is not in the catalogue, as after a migration; how many there were."""
    ids = list(connection.execute(select(images.c.id).where(images.c.at.is_(None)).order_by(images.c.created)).scalars())
    lost = select(images.c.id).where(images.c.at.is_not(None), images.c.at.not_in(select(catalogue.c.at)))
    ids += connection.execute(lost).scalars()
    for start in range(0, len(ids), CHUNK):
        chosen = ids[start : start + CHUNK]
        known = select(images.c.id, images.c.at).where(images.c.id.in_(chosen), images.c.at.is_not(None))
        at = {row.id: row.at for row in connection.execute(known)}
        found = records(connection, joined().where(images.c.id.in_(chosen)))
        fresh = placed(connection, [record for record in found if record.id not in at])
        for id_, free in fresh.items():
            connection.execute(update(images).where(images.c.id == id_).values(at=free))
        add_entries(connection, [entry(record, (at | fresh)[record.id]) for record in found])
    return len(ids)
