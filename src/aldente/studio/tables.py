"""Tables for other programs: CSV with nothing but the standard library, Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from aldente.engine.errors import UserError

Cell = str | int | float | bool | None

Rows = Sequence[Mapping[str, Cell]]
"""Rows by column name; all of them have the columns of the first."""


def csv_of(rows: Rows) -> str:
    """The rows as CSV with a header (RFC 4180); numbers in full precision, what is None empty."""
    text = io.StringIO(newline="")
    if rows:
        table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)
    return text.getvalue()


def check_parquet() -> None:
    """Raise UserError where Parquet cannot be written: better before a study than after it."""
    if find_spec("pyarrow") is None:
        raise UserError(
            "Parquet needs pyarrow, which is not installed: pip install 'aldente[export]'. CSV is written without it."
        )


def parquet_of(rows: Rows) -> bytes:
    """The rows as a Parquet file, compressed. Raises UserError where pyarrow is not installed."""
    check_parquet()
    # Imported by name: pyarrow is an extra, and 170 MB that only this needs.
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    file = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist([dict(row) for row in rows]), file, compression="zstd")
    return file.getvalue()
