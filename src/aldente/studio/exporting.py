"""The pictures that a query asks for as a table (CSV, Parquet, JSON lines), a contact sheet, or a project (TOML)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from aldente.engine.errors import UserError, unknown
from aldente.recipe.parameters import Scalar, parameters
from aldente.recipe.settings import get_parameter
from aldente.report.sheet import Sheet, pages
from aldente.store.encodings import read_pixels
from aldente.store.port import Store
from aldente.store.record import Record
from aldente.studio.files import write

PAGE, COLUMNS, MOST_ON_SHEETS = 500, 6, 2_000

PROJECT = ".toml"

Row = dict[str, Scalar]


class Written(NamedTuple):
    """The files that were written, how many pictures are in them, and what is to be said of the others."""

    files: list[Path]
    pictures: int
    notes: tuple[str, ...] = ()


def export(store: Store, query: str, path: Path, *, limit: int | None = None) -> Written:
    """Write what a query asks for to ``path``, whose suffix says as what.

    Raises UserError for another suffix, where nothing is like that, and where an extra is missing.
    """
    writers: Mapping[str, Callable[[list[Record]], list[Path]]] = {
        ".csv": lambda found: [write(path, _csv(_rows(found)))],
        ".jsonl": lambda found: [write(path, _lines(_rows(found)))],
        ".parquet": lambda found: [write(path, _parquet(_rows(found)))],
        ".png": lambda found: _sheets(store, query, found, path),
    }
    if path.suffix.lower() not in (*writers, PROJECT):
        raise unknown("format", path.suffix or str(path), (*writers, PROJECT))
    found = list(records(store, query, limit))
    if not found:
        raise UserError(f"no picture in {store.where} is like that; nothing was written.")
    if path.suffix.lower() == PROJECT:
        return _project(store, query, found, path)
    return Written(writers[path.suffix.lower()](found), len(found))


def _project(store: Store, query: str, found: list[Record], path: Path) -> Written:
    from aldente.studio.projects.exporting import export_project  # noqa: PLC0415  # models, for this only
    from aldente.studio.workbench import workbench_on  # noqa: PLC0415

    made = export_project(workbench_on(store), found, query, path)
    return Written([made.path, *made.files], made.pictures, made.left_out)


def records(store: Store, query: str, limit: int | None = None) -> Iterator[Record]:
    """All pictures that a query asks for, newest first, a page at a time."""
    last, left = None, limit
    while left is None or left > 0:
        page = store.history(query, limit=PAGE if left is None else min(PAGE, left), before=last)
        if not page:
            return
        yield from page
        last, left = page[-1].id, None if left is None else left - len(page)


def _rows(found: Sequence[Record]) -> list[Row]:
    """A row for each record; all rows have the same columns, in the same order."""
    rows = [_row(record) for record in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def _row(record: Record) -> Row:
    """What is known of a picture: its marks, parameters as ``aldente history`` calls them, costs, scores and origin."""
    recipe, cost, made = record.recipe, record.cost, record.provenance
    set_ = {p.name: get_parameter(recipe, p.name) for p in parameters() if p.kind != "size"}
    row: Row = {"id": record.id, "created": made.created, "rating": record.rating, "tags": " ".join(record.tags)}
    row |= {"note": record.note, "category": record.category, "wins": record.wins, "losses": record.losses}
    row |= {name: value for name, value in set_.items() if value is not None}
    row |= {"calls": cost.model_calls, "seconds": cost.seconds, "peak_bytes": cost.peak_bytes}
    row |= {f"seconds.{stage.stage}": stage.seconds for stage in cost.stages}
    row |= {f"score.{score.metric}": score.value for score in record.quality}
    row |= {"recipe_digest": record.recipe_digest, "image_hash": record.image_hash, "file_hash": record.file_hash}
    row |= {"model_fingerprint": made.model_fingerprint, "program": made.program or "aldente"}
    return row | {"plan": record.plan, "study": record.study, "preset": record.preset, "parents": " ".join(record.parents)}


def _csv(rows: list[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _lines(rows: list[Row]) -> str:
    kept = ({name: value for name, value in row.items() if value is not None} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)


def _parquet(rows: list[Row]) -> bytes:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise UserError(
            "Parquet needs a package that is not installed; run: pip install 'aldente[export]', or write .csv."
        ) from error
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    table = arrow.table({name: arrow.array(values, type=_kind(arrow, values)) for name, values in columns.items()})
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def _kind(arrow: Any, values: list[Scalar]) -> Any:
    """The type of a column: seeds need all 64 bits, and a number that is whole in one row need not be in another."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return arrow.bool_()
    if kinds == {int}:
        return arrow.uint64() if all(value is None or int(value) >= 0 for value in values) else arrow.int64()
    return arrow.float64() if kinds and kinds <= {int, float} else arrow.string()


def _sheets(store: Store, query: str, found: list[Record], path: Path) -> list[Path]:
    """Contact sheets, the newest picture first; of several the second is called '<name>-2.png'."""
    if len(found) > MOST_ON_SHEETS:
        raise UserError(
            f"{len(found)} pictures are too many for contact sheets; ask for at most {MOST_ON_SHEETS} with --limit."
        )
    columns = min(COLUMNS, len(found))
    drawn = [record for record in found if record.failed is None]
    places = {(number % columns, number // columns): record for number, record in enumerate(drawn)}
    sheet = Sheet(
        title=query or "all pictures",
        x_values=[""] * columns,
        y_values=[""] * (-(-len(drawn) // columns)),
        cells={at: read_pixels(store.image_bytes(record)) for at, record in places.items()},
        notes={at: f"{record.id[:8]}{' ' + '*' * record.rating if record.rating else ''}" for at, record in places.items()},
        footer=f"{len(drawn)} pictures",
    )
    made = list(pages(sheet))
    names = [path if page.number == 1 else path.with_name(f"{path.stem}-{page.number}{path.suffix}") for page in made]
    return [write(name, page.png()) for name, page in zip(names, made, strict=True)]
