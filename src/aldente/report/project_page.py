"""The page of a project: what came out, what was rejected and why, what it cost, and how to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aldente.report.page import Facts, Picture, Table, html


@dataclass(frozen=True, kw_only=True)
class ShotCard:
    """One picture with its name and a few words; ``file`` is its path beside the page."""

    picture: Picture
    heading: str
    words: str = ""
    file: str = ""

    @property
    def link(self) -> str:
        """Where a click leads; empty for nowhere."""
        return quote(self.file)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures under a heading."""

    heading: str
    shots: Sequence[ShotCard]
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table under a heading."""

    heading: str
    table: Table
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class ProjectPage:
    """All that the page of a project says; ``facts`` are the numbers of the run, ``notes`` sentences about it."""

    title: str
    made: str
    kind: str = "Project"
    about: str = ""
    facts: Facts = ()
    notes: Sequence[str] = ()
    tables: Sequence[Section] = ()
    sheets: Sequence[Picture] = ()
    galleries: Sequence[Gallery] = ()
    provenance: Facts = ()
    reproduce: str = ""


def project_page(page: ProjectPage) -> str:
    """The page of a project as one HTML file."""
    return html("project.html.j2", page)
