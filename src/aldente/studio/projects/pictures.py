"""The pictures of a project as files: named by the project's pattern, in its format, each with its sidecar."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from aldente.recipe.parameters import parameters, text_of
from aldente.recipe.project_items import filled
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter
from aldente.store.record import Record
from aldente.studio.files import write
from aldente.studio.forms import Form, encoded
from aldente.studio.projects.planning import ProjectPlan, Shot
from aldente.studio.projects.running import Result
from aldente.studio.projects.sidecar import toml_of

_LATER = "0" * 8
"""What stands for an id while names are compared."""


class Names:
    """What each picture of a plan is called: by the pattern, and by its number where two would be called the same.

    Raises UserError for a pattern that says what there is not.
    """

    def __init__(self, plan: ProjectPlan) -> None:
        self._plan = plan
        pattern = plan.project.outputs.name
        plain = {shot.number: filled(pattern, _facts(plan, shot, shot.recipe, _LATER)).casefold() for shot in plan.shots}
        often = Counter(plain.values())
        self._numbered = {number for number, name in plain.items() if often[name] > 1}

    def of(self, result: Result) -> str:
        """The path of a result's picture below the project's folder, without its ending."""
        facts = _facts(self._plan, result.shot, result.drawn.recipe, result.drawn.record.id[:8])
        name = filled(self._plan.project.outputs.name, facts)
        return f"{name}-{result.shot.number}" if result.shot.number in self._numbered else name


def write_picture(plan: ProjectPlan, names: Names, result: Result, folder: Path) -> Path:
    """Write a kept picture, and its sidecar if there is to be one; the picture's path.

    Raises UserError when the place cannot be written.
    """
    outputs = plan.project.outputs
    form = Form(format=outputs.format, quality=None if outputs.format == "png" else outputs.quality)
    path = folder / f"{names.of(result)}{form.ending}"
    write(path, encoded(result.drawn.png, form))
    if outputs.sidecar == "json":
        write(path.with_name(f"{path.name}.json"), json.dumps(sidecar(plan, result), indent=2, ensure_ascii=False))
    elif outputs.sidecar == "toml":
        write(path.with_name(f"{path.name}.toml"), toml_of(sidecar(plan, result)))
    return path


def sidecar(plan: ProjectPlan, result: Result) -> dict[str, object]:
    """What is written beside a picture: what was set, what it cost, and how it is found again."""
    record: Record = result.drawn.record
    return {
        "project": plan.project.name,
        "study": plan.study,
        "number": result.shot.number,
        "subject": result.shot.subject.label,
        "variant": result.shot.label,
        "attempt": result.attempt,
        "id": record.id,
        "image_hash": record.image_hash,
        "recipe_digest": record.recipe_digest,
        "model_fingerprint": record.provenance.model_fingerprint,
        "model_calls": record.cost.model_calls,
        "seconds": round(record.cost.seconds, 4),
        "settings": settings_of(result.drawn.recipe),
        "recipe": result.drawn.recipe.model_dump(mode="json", exclude_none=True),
    }


def settings_of(recipe: Recipe) -> dict[str, str]:
    """The parameters of a recipe that are set, under our names."""
    found = {parameter.name: get_parameter(recipe, parameter.name) for parameter in parameters() if parameter.name != "size"}
    return {name: text_of(value) for name, value in found.items() if value is not None and value != ""}


def _facts(plan: ProjectPlan, shot: Shot, recipe: Recipe, record_id: str) -> Mapping[str, str | int]:
    return {
        **shot.subject.columns,
        "number": shot.number,
        "subject": shot.subject.label,
        "seed": recipe.seed,
        "variant": shot.label,
        "id": record_id,
        "digest": recipe.digest()[:8],
        "project": plan.project.name,
        "width": recipe.width,
        "height": recipe.height,
    }
