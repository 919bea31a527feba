"""Opening a project: its file or a bundled one, its rows and wildcards, its paths seen from where it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError, unknown
from aldente.recipe.dynamic import Wildcards
from aldente.recipe.parameters import Scalar
from aldente.recipe.project import Project
from aldente.recipe.project_file import is_file, read_project
from aldente.recipe.project_items import Subject, subjects_of
from aldente.studio.files import read_text
from aldente.studio.wildcards import wildcards_in

MOST_ROWS = 100_000
SUFFIX = ".toml"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A project as it was opened: its file's text and the folder from which its paths are seen."""

    project: Project
    text: str
    folder: Path
    small: bool

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The subjects. Raises UserError for a CSV file, column, wildcard or variable that is not there."""
        asked = self.project.subjects
        rows = None if asked.csv is None else rows_of(self.folder / asked.csv)
        return subjects_of(asked, rows, self.wildcards)

    @property
    def wildcards(self) -> Wildcards:
        """The lists of the project's own folders."""
        return wildcards_in([self.folder / name for name in self.project.subjects.wildcards])

    @property
    def out(self) -> Path:
        """Where the pictures go if the user names no other place: the project's folder, seen from where the user stands."""
        name = slug(self.project.name) + ("-small" if self.small else "")
        return Path(self.project.outputs.folder or Path("out") / name)

    def placed(self, settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The settings with the paths of pictures seen from the project; a ``@reference`` and ids stay what they are."""
        return {name: self.path(value) if is_file(name) else value for name, value in settings.items()}

    def path(self, value: Any) -> Any:
        """A picture's path as seen from where the user stands, if there is such a file beside the project."""
        if not isinstance(value, str) or not value or value.startswith("@"):
            return value
        beside = self.folder / value
        return str(beside) if beside.is_file() else value


def open_project(what: str, *, small: bool = False) -> Opened:
    """The project in a file, or the bundled one of that name. Raises UserError for what is neither, and for every fault."""
    path = Path(what)
    if path.suffix == SUFFIX or path.exists():
        return opened_from(read_text(path, "a project's TOML file"), path.parent, small=small, what=str(path))
    names = bundled()
    if what not in names:
        raise unknown("project", what, names)
    with as_file(_shelf()) as folder:
        place = Path(folder)
        return opened_from(read_text(place / f"{what}{SUFFIX}", "a project"), place, small=small, what=what)


def opened_from(text: str, folder: Path, *, small: bool, what: str) -> Opened:
    """The project that a text describes, its paths seen from ``folder``. Raises UserError that names ``what``."""
    try:
        return Opened(project=read_project(text, small=small), text=text, folder=folder, small=small)
    except UserError as error:
        raise UserError("\n".join(f"{what}: {line}" for line in str(error).splitlines())) from None


def bundled() -> dict[str, Project]:
    """The projects that come with aldente, by name."""
    found = sorted(entry.name for entry in _shelf().iterdir() if entry.name.endswith(SUFFIX))
    return {name.removesuffix(SUFFIX): read_project((_shelf() / name).read_text(encoding="utf-8")) for name in found}


def rows_of(path: Path) -> Sequence[Mapping[str, str]]:
    """The rows of a CSV file whose first line names the columns.

    Raises UserError where the file is not there, has no rows, or rows are longer than its first line.
    """
    reader = csv.DictReader(io.StringIO(read_text(path, "a CSV file with the subjects")), strict=True)
    try:
        rows = [row for _, row in zip(range(MOST_ROWS + 1), reader, strict=False)]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: it is not CSV ({error}).") from None
    names = list(reader.fieldnames or [])
    if not rows or not all(names) or len(set(names)) < len(names):
        raise UserError(f"{path}: the first line must name the columns, each once, and a line follow for each subject.")
    if len(rows) > MOST_ROWS:
        raise UserError(f"{path}: it has more than {MOST_ROWS} rows; make several projects of it.")
    if odd := next((number for number, row in enumerate(rows, start=2) if None in row or None in row.values()), None):
        raise UserError(f"{path}: row {odd} has not as many values as the first line has columns; quote values with commas.")
    return [{name.strip(): value.strip() for name, value in row.items()} for row in rows]


def slug(name: str) -> str:
    """A name as a folder's: letters, digits and dashes."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())[:60] or "project"


def _shelf() -> Any:
    return files("aldente.studio.projects").joinpath("bundled")
