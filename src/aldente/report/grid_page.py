"""The page of a grid: every cell in its place, labels in view, each picture with the settings that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from aldente.report.labels import differences
from aldente.report.page import Facts, Picture, html


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """One cell: its picture, or the ``reason`` why there is none; neither means not made yet.

    ``full`` is a larger picture for the details where ``picture`` is a thumbnail, ``file`` its path beside the page;
    ``settings`` are its parameters by name, ``command`` the line that makes it again, ``note`` a few words under it.
    """

    picture: Picture | None = None
    full: Picture | None = None
    reason: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    note: str = ""
    file: str = ""

    @property
    def state(self) -> str:
        """``made``, ``failed`` or ``missing``."""
        return "made" if self.picture else "failed" if self.reason else "missing"


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One value of the third axis: its cells by (column, row); a cell left out is not made yet."""

    value: str = ""
    cells: Mapping[tuple[int, int], GridCell]
    chosen: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class GridPage:
    """All that the page of a grid says; ``readings`` are (what it is about, one sentence), ``facts`` the numbers of the run."""

    title: str
    about: str
    made: str
    x_label: str
    x_values: Sequence[str]
    y_label: str = ""
    y_values: Sequence[str] = ("",)
    z_label: str = ""
    planes: Sequence[Plane]
    readings: Facts = ()
    facts: Facts = ()
    provenance: Facts = ()
    reproduce: str = ""

    @property
    def common(self) -> Mapping[str, str]:
        """The settings that all cells share."""
        return differences([cell.settings for plane in self.planes for cell in plane.cells.values() if cell.settings])[0]

    @property
    def details(self) -> Mapping[str, Mapping[str, object]]:
        """What the page shows of a cell when it is opened, by "plane-column-row"."""
        common = self.common
        found: dict[str, Mapping[str, object]] = {}
        for z, plane in enumerate(self.planes):
            for (x, y), cell in plane.cells.items():
                found[f"{z}-{x}-{y}"] = {
                    "title": self._place(plane, x, y),
                    "settings": [[name, value, name not in common] for name, value in cell.settings.items()],
                    "command": cell.command,
                    "reason": cell.reason,
                    "full": cell.full.uri if cell.full else "",
                    "file": quote(cell.file),
                }
        return found

    def _place(self, plane: Plane, x: int, y: int) -> str:
        axes = ((self.x_label, self.x_values[x]), (self.y_label, self.y_values[y]), (self.z_label, plane.value))
        return "  ·  ".join(f"{label} {value}".strip() for label, value in axes if value)


def grid_page(page: GridPage) -> str:
    """The page of a grid as one HTML file."""
    return html("grid.html.j2", page)
