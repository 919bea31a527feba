"""Producing a project: what it will cost, its pictures written as they come, and its report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Tick
from aldente.studio.files import folder as made_folder
from aldente.studio.forecast import Forecast, forecast
from aldente.studio.projects.pictures import Names, write_picture
from aldente.studio.projects.planning import ProjectPlan
from aldente.studio.projects.report import Standing, write_report
from aldente.studio.projects.running import Result, run_project
from aldente.studio.workbench import Workbench

BYTES_PER_PIXEL = {"png": 2.2, "jpeg": 0.4, "webp": 0.25, "avif": 0.15}
"""What a pixel of a picture takes on the disk, about: pictures of pastina and photographs lie within a factor of two."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a project will cost: the forecast of its drawing, and the bytes of its files."""

    forecast: Forecast
    pictures: int
    disk_bytes: float
    free_bytes: int

    def sentence(self) -> str:
        """The estimate in one line."""
        tight = f", but only {_bytes(self.free_bytes)} are free" if self.disk_bytes > self.free_bytes else ""
        beside = f"{self.pictures} to keep; " if self.forecast.pictures > self.pictures else ""
        return f"{beside}{self.forecast.sentence().rstrip('.')}, about {_bytes(self.disk_bytes)} on the disk{tight}."


def estimate(bench: Workbench, plan: ProjectPlan, place: Path) -> Estimate:
    """The cost of a project before it is drawn; redraws of what gates reject are not in it."""
    recipes = every_recipe(plan)
    pixels = sum(_pixels(recipe) for recipe in recipes)
    twice = BYTES_PER_PIXEL["png"] + BYTES_PER_PIXEL[plan.project.outputs.format]
    there = next(parent for parent in (place.absolute(), *place.absolute().parents) if parent.exists())
    return Estimate(
        forecast=forecast(bench, recipes),
        pictures=len(plan.shots),
        disk_bytes=pixels * twice,
        free_bytes=shutil.disk_usage(there).free,
    )


def every_recipe(plan: ProjectPlan) -> list[Recipe]:
    """The recipes of all shots, and of what their gates compare them with."""
    gates = [gate for gate in plan.project.gates if gate.than]
    found = [shot.recipe for shot in plan.shots]
    return [*found, *(set_parameters(recipe, dict(gate.than)) for recipe in found for gate in gates)]


@dataclass(kw_only=True)
class Production:
    """A run of a project: its results so far, and where their pictures are."""

    plan: ProjectPlan
    place: Path
    results: list[Result] = field(default_factory=list)
    files: dict[int, Path] = field(default_factory=dict)

    def standing(self) -> Standing:
        """How the project stands."""
        return Standing(plan=self.plan, results=tuple(self.results), files=dict(self.files))


def produce(
    bench: Workbench,
    production: Production,
    *,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[tuple[Result, Path | None]]:
    """Draw the project; every picture that is kept is written before it is yielded, with its path.

    Raises UserError when the place cannot be written, before anything is drawn.
    """
    made_folder(production.place)
    names = Names(production.plan)
    for result in run_project(bench, production.plan, watch=watch, cancelled=cancelled):
        path = write_picture(production.plan, names, result, production.place) if result.kept else None
        production.results.append(result)
        if path is not None:
            production.files[result.shot.number] = path
        yield result, path


def report(bench: Workbench, production: Production, *, command: str) -> Path:
    """Write the report of what is there; the path of its page."""
    return write_report(production.standing(), production.place, made=bench.now()[:10], command=command)


def _pixels(recipe: Recipe) -> float:
    """The pixels of the finished picture, as far as its stages say."""
    width, height = float(recipe.width), float(recipe.height)
    for stage in recipe.stages:
        if stage.kind == "resize":
            scale = stage.scale or (None if stage.width or stage.height else 2.0)
            width = stage.width or (width * scale if scale else width)
            height = stage.height or (height * scale if scale else height)
        elif stage.kind == "extend":
            width, height = width + stage.left + stage.right, height + stage.top + stage.bottom
    return width * height


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
