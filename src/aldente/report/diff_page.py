"""The page that shows two pictures side by side, where they differ, and what was asked differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aldente.report.page import Facts, Picture, Table, html


@dataclass(frozen=True, kw_only=True)
class DiffPage:
    """All that the page says; ``pictures`` are the two and, where their sizes are the same, the map of their difference."""

    title: str
    made: str
    lede: str
    pictures: Sequence[Picture]
    tables: Sequence[tuple[str, Table]]
    facts: Facts = ()
    provenance: Facts = ()
    reproduce: str = ""


def diff_page(page: DiffPage) -> str:
    """The comparison as one HTML file."""
    return html("diff.html.j2", page)
