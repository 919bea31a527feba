"""What is shown of a project: contact sheets, a page, and the same for programs, of whatever is drawn so far."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageColor

import aldente
from aldente.models.port import Image
from aldente.report.page import Picture, Table, picture
from aldente.report.palette import LIGHT
from aldente.report.project_page import Gallery, ProjectPage, Section, ShotCard, project_page
from aldente.report.sheet import Failed, Sheet, pages
from aldente.studio.drawing import Drawn
from aldente.studio.files import write
from aldente.studio.forecast import duration
from aldente.studio.projects.planning import ProjectPlan
from aldente.studio.projects.running import Result

THUMBNAIL_PX = 256
MOST_ON_PAGE = 600
"""Pictures on the page; of a larger project the first ones, and all of them as files."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a project stands: the results so far and where their pictures are, by the shot's number."""

    plan: ProjectPlan
    results: Sequence[Result]
    files: Mapping[int, Path]

    @property
    def kept(self) -> list[Result]:
        """The results with a picture that passed."""
        return [one for one in self.results if one.kept]

    @property
    def failed(self) -> list[Result]:
        """Those that could not be drawn."""
        return [one for one in self.results if one.drawn.record.failed]

    @property
    def refused(self) -> list[Result]:
        """Those of which no attempt passed the gates."""
        return [one for one in self.results if one.reasons]

    @property
    def missing(self) -> int:
        """How many shots have no result yet."""
        return len(self.plan.shots) - len(self.results)

    @property
    def every(self) -> list[Drawn]:
        """Every picture that was drawn for the project, each once."""
        return list({drawn.record.id: drawn for one in self.results for drawn in one.every}.values())

    @property
    def rejected(self) -> int:
        """How many pictures were drawn and not let through."""
        return sum(len(one.rejected) + bool(one.reasons) for one in self.results)

    def cost(self) -> tuple[int, float]:
        """Model calls and seconds of everything drawn."""
        return sum(one.record.cost.model_calls for one in self.every), sum(one.record.cost.seconds for one in self.every)


def write_report(standing: Standing, folder: Path, *, made: str, command: str) -> Path:
    """Write contact sheets, the project's file, its report for programs and its page; the page's path.

    Raises UserError when the place cannot be written.
    """
    ordered = sorted(standing.results, key=lambda one: one.shot.number)
    standing = Standing(plan=standing.plan, results=ordered, files=standing.files)
    for number, page in enumerate(pages(contact_sheet(standing)) if ordered else (), start=1):
        write(folder / (f"contact-sheet-{number}.png" if page.total > 1 else "contact-sheet.png"), page.png())
    write(folder / "project.toml", standing.plan.opened.text)
    write(folder / "report.json", json.dumps(facts_of(standing, folder), indent=2, ensure_ascii=False))
    return write(folder / "index.html", project_page(_page(standing, folder, made, command)))


def contact_sheet(standing: Standing) -> Sheet:
    """All pictures on one sheet: variants as columns, or, where there are none, as square as may be."""
    labels = list(dict.fromkeys(one.shot.label for one in standing.results))
    cells: dict[tuple[int, int], Image | Failed | None] = {}
    notes: dict[tuple[int, int], str] = {}
    if len(labels) == 1:
        across = min(10, max(1, math.ceil(math.sqrt(len(standing.results)))))
        places = {one.shot.number: divmod(i, across)[::-1] for i, one in enumerate(standing.results)}
        columns, rows = [""] * across, [""] * math.ceil(len(standing.results) / across)
        blank = _blank(standing.results)
        cells |= {(x, len(rows) - 1): blank for x in range(across)}
    else:
        lines = list(dict.fromkeys((one.shot.item.subject.label, one.shot.item.seed) for one in standing.results))
        line = {key: i for i, key in enumerate(lines)}
        places = {
            one.shot.number: (labels.index(one.shot.label), line[one.shot.item.subject.label, one.shot.item.seed])
            for one in standing.results
        }
        columns, rows = labels, [f"{subject}, seed {seed}" for subject, seed in lines]
    for one in standing.results:
        at = places[one.shot.number]
        cells[at] = Failed(reason=one.drawn.record.failed) if one.drawn.record.failed else thumbnail(one.drawn.image)
        notes[at] = ("rejected: " if one.reasons else "") + f"{one.shot.number} {one.shot.subject.label}"
    return Sheet(title=standing.plan.project.name, x_values=columns, y_values=rows, cells=cells, notes=notes)


def _blank(results: Sequence[Result]) -> Image:
    """What stands where the last row of a sheet has no picture: paper, as large as a picture."""
    drawn = [thumbnail(one.drawn.image).shape for one in results if not one.drawn.record.failed]
    shape = max(drawn, default=(THUMBNAIL_PX, THUMBNAIL_PX, 3))
    return np.full(shape, ImageColor.getrgb(LIGHT["paper"]), dtype=np.uint8)


def thumbnail(image: Image) -> Image:
    """The picture no larger than a thumbnail."""
    if max(image.shape[:2]) <= THUMBNAIL_PX:
        return image
    small = Pillow.fromarray(np.ascontiguousarray(image))
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Pillow.Resampling.LANCZOS)
    return np.asarray(small)


def facts_of(standing: Standing, folder: Path) -> dict[str, object]:
    """The report for programs: what the project drew, kept and rejected, and at what cost."""
    calls, seconds = standing.cost()
    return {
        "project": standing.plan.project.name,
        "study": standing.plan.study,
        "choice": standing.plan.choice,
        "pictures": len(standing.plan.shots),
        "kept": len(standing.kept),
        "failed": len(standing.failed),
        "refused": len(standing.refused),
        "rejected": standing.rejected,
        "missing": standing.missing,
        "model_calls": calls,
        "seconds": round(seconds, 3),
        "results": [_result(one, standing.files.get(one.shot.number), folder) for one in standing.results],
    }


def _result(one: Result, path: Path | None, folder: Path) -> dict[str, object]:
    return {
        "number": one.shot.number,
        "subject": one.shot.subject.label,
        "variant": one.shot.label,
        "seed": one.drawn.recipe.seed,
        "id": one.drawn.record.id,
        "file": None if path is None else path.relative_to(folder).as_posix(),
        "failed": one.drawn.record.failed,
        "refused": list(one.reasons),
        "rejected": [
            {"id": other.drawn.record.id, "seed": other.drawn.recipe.seed, "reasons": list(other.reasons)}
            for other in one.rejected
        ],
    }


def _page(standing: Standing, folder: Path, made: str, command: str) -> ProjectPage:
    plan = standing.plan
    calls, seconds = standing.cost()
    shown = standing.kept[:MOST_ON_PAGE]
    facts = [
        ("Pictures", f"{len(standing.kept)} of {len(plan.shots)}"),
        ("Model calls", f"{calls}"),
        ("Drawing time", duration(seconds)),
        ("Per picture", f"{calls / max(1, len(standing.kept)):.0f} calls, {seconds / max(1, len(standing.kept)):.2g} s"),
    ]
    facts += [("Rejected", str(standing.rejected))] if plan.project.gates else []
    facts += [("Failed", str(len(standing.failed)))] if standing.failed else []
    notes = [f"{standing.missing} pictures are not drawn yet."] if standing.missing else []
    notes += [f"The page shows the first {len(shown)}; all are in the folder."] if len(shown) < len(standing.kept) else []
    galleries = [Gallery(heading="Pictures", shots=[_card(one, standing, folder) for one in shown])] if shown else []
    out = [(one.drawn, one.reasons) for one in standing.refused]
    out += [(other.drawn, other.reasons) for one in standing.results for other in one.rejected]
    if out:
        cards = [
            ShotCard(
                picture=_small(drawn), heading=f"seed {drawn.recipe.seed}", words=f"{'; '.join(reasons)}. {drawn.record.id[:8]}"
            )
            for drawn, reasons in out[:MOST_ON_PAGE]
        ]
        words = "They stay in the store: 'aldente show ID' tells all about one."
        galleries.append(Gallery(heading="Rejected by the gates", shots=cards, words=words))
    return ProjectPage(
        title=plan.project.name,
        about=plan.project.project.about,
        made=made,
        facts=facts,
        notes=notes,
        tables=_failures(standing),
        galleries=galleries,
        provenance=_provenance(standing),
        reproduce=command,
    )


def _failures(standing: Standing) -> list[Section]:
    if not standing.failed:
        return []
    rows = [(str(one.shot.number), one.shot.subject.label, one.drawn.record.failed or "") for one in standing.failed]
    return [Section(heading="Could not be drawn", table=Table(columns=("number", "subject", "why"), rows=rows, words=3))]


def _card(one: Result, standing: Standing, folder: Path) -> ShotCard:
    path = standing.files.get(one.shot.number)
    words = ", ".join(word for word in (one.shot.label, f"seed {one.drawn.recipe.seed}", one.drawn.record.id[:8]) if word)
    return ShotCard(
        picture=_small(one.drawn, one.shot.subject.prompt),
        heading=one.shot.subject.label,
        words=words,
        file="" if path is None else path.relative_to(folder).as_posix(),
    )


def _small(drawn: Drawn, alt: str = "") -> Picture:
    return picture(drawn.image, alt=alt or drawn.recipe.prompt, side_px=THUMBNAIL_PX)


def _provenance(standing: Standing) -> list[tuple[str, str]]:
    record = next((one.record for one in standing.every if not one.record.failed), None)
    if record is None:
        return []
    by = record.provenance
    return [
        ("Project in the store", standing.plan.study[:16]),
        ("Model", f"{by.model} {by.model_fingerprint[:16]}"),
        ("Made by", f"aldente {aldente.__version__}, {by.runtime} {by.runtime_version}, {by.device}"),
        ("Project's file", "project.toml, beside this page"),
    ]
