"""The report of a tuning study: verdict first, then what the eye can check, then the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aldente.report.page import Facts, Picture, Plot, Table, html


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to use and what it saves.

    ``setting`` is the chosen setting in a few words, ``saving`` the line about money ("16 steps instead of 50: 68 % of the time
    saved"), ``sentence`` what is claimed with which confidence, ``facts`` the numbers beside it.
    """

    setting: str
    saving: str
    sentence: str
    facts: Facts = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One prompt and seed at the chosen and at the dearest setting, in pictures of one size."""

    heading: str
    chosen: Picture
    dearest: Picture
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class TuningPage:
    """All that the report of a study says; a part that is empty is left out.

    ``laws`` is the table of how fast each sampler converges. ``chosen_label`` and ``dearest_label`` name the two sides of
    the comparisons, ``use`` is the command that applies the
    preset, ``reproduce`` the one that repeats the study, ``made`` the date.
    """

    title: str
    about: str
    made: str
    verdict: Verdict
    chosen_label: str = "chosen"
    dearest_label: str = "dearest"
    comparisons: Sequence[Comparison] = ()
    sheets: Sequence[Picture] = ()
    plots: Sequence[Plot] = ()
    table: Table | None = None
    laws: Table | None = None
    why_not_more: Sequence[str] = ()
    limits: Sequence[str] = ()
    provenance: Facts = ()
    use: str = ""
    reproduce: str = ""


def tuning_page(page: TuningPage) -> str:
    """The report as one HTML file."""
    return html("tuning.html.j2", page)
