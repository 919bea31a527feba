"""From a project to its pictures: every recipe, in the order in which they are drawn, before any of them is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aldente.engine.errors import UserError, unknown
from aldente.models.port import ModelInfo
from aldente.recipe.parameters import Scalar, find_parameter
from aldente.recipe.plan import plan_of
from aldente.recipe.project import MOST_PICTURES, Project, Variant
from aldente.recipe.project_file import ANY_FILE, OPTIONAL, control_facts, is_file, stage_facts, with_files
from aldente.recipe.project_items import Item, Subject, items_of, span_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import recipe_from, set_parameters
from aldente.studio.drawing import Order, draw
from aldente.studio.presets import preset_settings
from aldente.studio.projects.opening import Opened
from aldente.studio.request import AUTO, resolve
from aldente.studio.sources import keep_picture
from aldente.studio.workbench import Workbench

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture of a project: who is on it, the recipe, and what the variant and the axes are there."""

    number: int
    item: Item
    recipe: Recipe
    label: str

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.item.subject

    def again(self, attempt: int, span: int) -> Recipe:
        """The recipe of a redraw: the seed as far on as no other picture of the project has it."""
        return self.recipe.model_copy(update={"seed": (self.recipe.seed + attempt * span) % 2**64})


@dataclass(frozen=True, kw_only=True)
class ProjectPlan:
    """Every picture of a project, the project's identity in the store, and the distance between the seeds of redraws."""

    opened: Opened
    shots: tuple[Shot, ...]
    span: int
    study: str
    choice: str | None = None

    @property
    def project(self) -> Project:
        """The project."""
        return self.opened.project


def plan_project(
    bench: Workbench,
    opened: Opened,
    *,
    choice: Variant | None = None,
    subjects: int | None = None,
    draw_references: bool = True,
    listen: Tell = lambda _: None,
) -> ProjectPlan:
    """The pictures of a project, or of its first ``subjects``, under a ``choice`` of its A/B.

    References are drawn first, unless only the cost is asked for. Raises UserError for everything that cannot be drawn.
    """
    project = opened.project
    items = items_of(project, opened.subjects[:subjects], choice=choice)
    maker = _Recipes(bench, opened, _references(bench, opened, drawn=draw_references), listen)
    shots: list[Shot] = []
    for item in items:
        for label, recipe in maker.cells(item):
            shots.append(Shot(number=len(shots) + 1, item=item, recipe=recipe, label=label))
            if len(shots) > MOST_PICTURES:
                raise UserError(f"with its axes the project asks for more than {MOST_PICTURES} pictures; make several of it.")
    return ProjectPlan(
        opened=opened,
        shots=tuple(shots),
        span=span_of(items),
        study=study_of([shot.recipe for shot in shots], project),
        choice=None if choice is None else choice.name,
    )


def study_of(recipes: list[Recipe], project: Project) -> str:
    """The identity of a project in the store: of what it draws and what it keeps, not of what it may cost or where it goes."""
    digest = hashlib.sha256()
    for recipe in recipes:
        digest.update(recipe.digest().encode())
    for gate in project.gates:
        digest.update(gate.digest().encode())
    digest.update(f"{project.name}/{project.seeds.redraws}".encode())
    return digest.hexdigest()


def _references(bench: Workbench, opened: Opened, *, drawn: bool) -> dict[str, str]:
    """The hash of each reference's file, drawn in order, so that one may stand on another."""
    kept: dict[str, str] = {}
    for one in opened.project.references:
        # Of the project's settings those of the first pass: a reference has stages of its own, if any.
        shared = {name: value for name, value in opened.project.settings.items() if find_parameter(name).stage is None}
        settings = {**_ours(shared), **_ours(one.settings), "prompt": one.prompt, "seed": one.seed}
        named = _named(opened.placed(settings), kept)
        recipe = resolve(bench, named, preset=one.preset or opened.project.project.preset)
        found = bench.store.find(recipe.digest(), bench.model(recipe.model).info.fingerprint)
        if found is None and not drawn:
            kept[one.name] = ANY_FILE
            continue
        (picture,) = draw(bench, [recipe], Order())
        if picture.record.failed:
            raise UserError(f"reference '{one.name}' could not be drawn: {picture.record.failed}")
        kept[one.name] = keep_picture(bench.store, picture.record.id)
    return kept


def _named(settings: Mapping[str, Any], references: Mapping[str, str]) -> dict[str, Any]:
    """The settings with ``@name`` replaced by the hash of the reference."""
    return {name: _reference(value, references) if is_file(name) else value for name, value in settings.items()}


def _reference(value: Any, references: Mapping[str, str]) -> Any:
    if not isinstance(value, str) or not value.startswith("@"):
        return value
    if value[1:] not in references:
        raise unknown("reference", value, [f"@{name}" for name in references])
    return references[value[1:]]


class _Recipes:
    """Makes the recipes of items; what many share is resolved once."""

    def __init__(self, bench: Workbench, opened: Opened, references: Mapping[str, str], listen: Tell) -> None:
        self._bench = bench
        self._opened = opened
        self._references = references
        self._listen = listen
        self._bases: dict[object, Recipe] = {}
        self._presets = preset_settings(bench.store) if opened.project.project.axes else {}

    def cells(self, item: Item) -> Iterator[tuple[str, Recipe]]:
        """The recipe of an item at every point of the axes, with the words for variant and point."""
        recipe = set_parameters(self._base(item), {"prompt": item.subject.prompt, "seed": item.seed})
        named = [item.variant.name] if item.variant is not None else []
        axes = self._opened.project.project.axes
        if not axes:
            yield ", ".join(named), recipe
            return
        for cell in plan_of(recipe, axes, presets=self._presets).cells():
            yield ", ".join([*named, *cell.labels]), cell.recipe

    def _base(self, item: Item) -> Recipe:
        """The recipe of an item but for prompt and seed."""
        project, subject = self._opened.project, item.subject
        preset = (item.variant.preset if item.variant else None) or project.project.preset
        own = {name: subject.columns[name] for name in project.subjects.sets if subject.columns.get(name)}
        variant = None if item.variant is None else item.variant.name
        key = (variant, tuple(own.items()), subject.prompt if preset == AUTO else None)
        if key not in self._bases:
            settings: dict[str, Scalar] = {**_ours(project.settings), **_ours(item.settings), **_ours(own)}
            placed = _named(self._opened.placed(settings), self._references)
            said = {"prompt": subject.prompt, "seed": item.seed, **placed}
            known = {name: value for name, value in said.items() if value != ANY_FILE}
            recipe = resolve(self._bench, known, preset=preset, listen=self._listen)
            self._bases[key] = self._staged(recipe)
        return self._bases[key]

    def _staged(self, recipe: Recipe) -> Recipe:
        """The recipe with the stages and controls that the project writes out."""
        project = self._opened.project
        info = self._bench.model(recipe.model).info
        stages = [self._files(stage_facts(table), "stages") for table in project.stages]
        asked = [table for table in project.controls if not self._left_out(table, info)]
        controls = [self._files(control_facts(table), "controls") for table in asked]
        if not stages and not controls:
            return recipe
        facts = recipe.model_dump(mode="json", exclude_none=True)
        return recipe_from({**facts, **({"stages": stages} if stages else {}), **({"controls": controls} if controls else {})})

    def _left_out(self, table: Mapping[str, Any], info: ModelInfo) -> bool:
        """Whether a control is left out: it may be, and the model takes none of its type or its picture is not there yet."""
        facts = control_facts(table)
        if _reference(facts.get("image"), self._references) == ANY_FILE:
            return True
        kind = str(facts.get("type", "canny"))
        if not table.get(OPTIONAL) or kind in info.controls:
            return False
        self._listen(f"model '{info.name}' takes no control of type '{kind}'; it is left out, as the project allows.")
        return True

    def _files(self, facts: Mapping[str, Any], table: str) -> dict[str, Any]:
        def kept(value: str) -> str:
            named = _reference(self._opened.path(value), self._references)
            return named if named == ANY_FILE else keep_picture(self._bench.store, named)

        return with_files(facts, table, kept)


def _ours(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings under our own names, so that a later one replaces an earlier one however it is called."""
    return {find_parameter(name).name: value for name, value in settings.items()}
