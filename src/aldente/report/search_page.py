"""The report of a search: the pick, the front it lies on, what matters, the proof, and every setting that ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aldente.report.page import Plot, Table, html
from aldente.report.tuning_page import Comparison, Verdict


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """All that the report of a search says; a part that is empty is left out.

    ``comparisons`` show the pick beside its converged pictures, ``proof`` the finalists on held-out pictures, ``race`` every
    setting that was measured, ``effects`` what each value of a parameter does. ``use`` is the command that applies the pick.
    """

    title: str
    about: str
    made: str
    verdict: Verdict
    comparisons: Sequence[Comparison] = ()
    chosen_label: str = "pick"
    dearest_label: str = "converged"
    front: Plot | None = None
    importance: Plot | None = None
    effects: Table | None = None
    proof: Table | None = None
    race: Table | None = None
    sentences: Sequence[str] = ()
    limits: Sequence[str] = ()
    provenance: Sequence[tuple[str, str]] = ()
    use: str = ""
    reproduce: str = ""


def search_page(page: SearchPage) -> str:
    """The report as one HTML file."""
    return html("search.html.j2", page)
