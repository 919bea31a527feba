"""The page of a lab: which parameter moves the picture most, and a strip of pictures for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aldente.report.page import Facts, Picture, Table, html


@dataclass(frozen=True, kw_only=True)
class StripSection:
    """One parameter: its name, what it does in sentences, and its strip of pictures."""

    heading: str
    readings: Sequence[str]
    sheets: Sequence[Picture]


@dataclass(frozen=True, kw_only=True)
class LabPage:
    """All that the page of a lab says; ``ranking`` is the finding in one sentence, ``table`` the effects by size."""

    title: str
    about: str
    made: str
    ranking: str
    table: Table
    sections: Sequence[StripSection]
    facts: Facts = ()
    provenance: Facts = ()
    reproduce: str = ""


def lab_page(page: LabPage) -> str:
    """The page of a lab as one HTML file."""
    return html("lab.html.j2", page)
