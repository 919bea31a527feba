"""The A/B before a full run: a few subjects drawn under each choice, side by side, with what each costs and what it flaws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aldente.engine.errors import UserError, unknown
from aldente.quality.table import FLAWS, flaws
from aldente.recipe.parameters import spelling_of
from aldente.recipe.project import Trial, Variant
from aldente.render.batching import Tick
from aldente.report.page import Picture, Table
from aldente.report.project_page import ProjectPage, Section, project_page
from aldente.report.sheet import Failed, Sheet, pages
from aldente.studio.files import write
from aldente.studio.projects.opening import Opened
from aldente.studio.projects.planning import ProjectPlan, Shot, plan_project
from aldente.studio.projects.report import thumbnail
from aldente.studio.projects.running import Result, run_project
from aldente.studio.workbench import Workbench

NOTICEABLE = 1.0
"""From how many noticeable changes on a sign counts as worse in one picture."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One choice of a trial with its plan and results."""

    choice: Variant
    plan: ProjectPlan
    results: tuple[Result, ...]

    @property
    def calls(self) -> float:
        """Model calls for each picture that was kept."""
        return sum(one.record.cost.model_calls for result in self.results for one in result.every) / max(1, self.kept)

    @property
    def seconds(self) -> float:
        """Seconds for each picture that was kept."""
        return sum(one.record.cost.seconds for result in self.results for one in result.every) / max(1, self.kept)

    @property
    def kept(self) -> int:
        """How many pictures passed."""
        return sum(result.kept for result in self.results)


def find_choice(trial: Trial | None, name: str) -> Variant:
    """The choice of that name. Raises UserError with the nearest one, or where the project has none."""
    if trial is None:
        raise UserError("the project has no [ab] with choices; leave --choose out.")
    for choice in trial.choices:
        if spelling_of(choice.name) == spelling_of(name):
            return choice
    raise unknown("choice", name, [choice.name for choice in trial.choices])


def plan_trial(bench: Workbench, opened: Opened, trial: Trial) -> tuple[ProjectPlan, ...]:
    """The plan of each choice over the trial's subjects. Raises UserError for what cannot be drawn."""
    return tuple(plan_project(bench, opened, choice=choice, subjects=trial.subjects) for choice in trial.choices)


def run_trial(
    bench: Workbench,
    trial: Trial,
    plans: Sequence[ProjectPlan],
    *,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Side, ...]:
    """What each choice came to."""
    return tuple(
        Side(choice=choice, plan=plan, results=tuple(run_project(bench, plan, watch=watch, cancelled=cancelled)))
        for choice, plan in zip(trial.choices, plans, strict=True)
    )


def table_of(sides: Sequence[Side]) -> Table:
    """Cost and flaws of each choice; flaws are counted against the first one, picture by picture."""
    first = _signs(sides[0])
    rows = []
    for side in sides:
        worse = _worse(_signs(side), first)
        rows.append(
            (
                side.choice.name,
                "; ".join(f"{name}: {many}" for name, many in worse.items()) or ("-" if side is sides[0] else "none"),
                f"{side.kept} of {len(side.plan.shots)}",
                f"{side.calls:.0f}",
                f"{side.seconds:.2g} s",
            )
        )
    columns = ("choice", f"pictures worse than '{sides[0].choice.name}', by sign", "kept", "calls each", "time each")
    return Table(columns=columns, rows=rows, words=2)


def write_trial(sides: Sequence[Side], folder: Path, *, made: str, command: str) -> tuple[Path, ...]:
    """Write the sheet, side by side, and a page with it and the table; their paths.

    Raises UserError when the place cannot be written.
    """
    sheets = [page.png() for page in pages(_sheet(sides))]
    written = []
    for number, png in enumerate(sheets, start=1):
        written.append(write(folder / (f"ab-{number}.png" if len(sheets) > 1 else "ab.png"), png))
    page = ProjectPage(
        title=sides[0].plan.project.name,
        made=made,
        kind="A/B before the full run",
        about="The same subjects and seeds under each choice. Go on with one of them: --choose NAME.",
        tables=[Section(heading="Cost and flaws", table=table_of(sides), words=_how(sides))],
        sheets=[Picture(file=png, alt="the choices side by side") for png in sheets],
        reproduce=command,
    )
    return (write(folder / "ab.html", project_page(page)), *written)


def _how(sides: Sequence[Side]) -> str:
    return (
        f"A sign counts where a picture is worse by a noticeable change than the same subject and seed under"
        f" '{sides[0].choice.name}'. With few pictures this shows what is gross, and no more."
    )


def _signs(side: Side) -> dict[int, Mapping[str, float]]:
    """The flaw signs of each picture that passed, by the shot's number, which is the same in every choice."""
    return {one.shot.number: flaws(one.drawn.image) for one in side.results if one.kept}


def _worse(mine: Mapping[int, Mapping[str, float]], first: Mapping[int, Mapping[str, float]]) -> dict[str, int]:
    """In how many pictures each sign is worse by a noticeable change; those nowhere worse are left out."""
    both = mine.keys() & first.keys()
    found = {
        sign.title: sum(sign.worsening(mine[n][sign.name], first[n][sign.name]) >= NOTICEABLE for n in both) for sign in FLAWS
    }
    return {name: many for name, many in found.items() if many}


def _sheet(sides: Sequence[Side]) -> Sheet:
    cells, notes = {}, {}
    shots = sides[0].plan.shots
    for x, side in enumerate(sides):
        for one in side.results:
            at = (x, one.shot.number - 1)
            failed = one.drawn.record.failed
            cells[at] = Failed(reason=failed) if failed else thumbnail(one.drawn.image)
            notes[at] = f"{one.drawn.record.cost.model_calls} calls" + ("; rejected" if one.reasons else "")
    return Sheet(
        title=sides[0].plan.project.name,
        x_label="choice",
        x_values=[side.choice.name for side in sides],
        y_label="subject",
        y_values=[_row(shot, sides[0].choice.name) for shot in shots],
        cells=cells,
        notes=notes,
    )


def _row(shot: Shot, choice: str) -> str:
    """A shot's subject, its cell beside the ``choice``, and its seed."""
    cell = shot.label.removeprefix(choice).removeprefix(", ")
    return ", ".join(word for word in (shot.subject.label, cell, f"seed {shot.item.seed}") if word)
