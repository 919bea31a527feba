"""Pictures of the store as a project file that draws them again: what they share factored out, their seeds listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aldente.engine.errors import UserError
from aldente.recipe.parameters import Parameter, Scalar, parameters, text_of
from aldente.recipe.project_file import with_files
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter
from aldente.store.files import suffix_of
from aldente.store.record import Record
from aldente.studio.files import write
from aldente.studio.projects.opening import opened_from
from aldente.studio.projects.planning import plan_project
from aldente.studio.projects.sidecar import inline_of, toml_of
from aldente.studio.workbench import Workbench

TOML_MOST = 2**63 - 1
"""A larger number is written as text: TOML has none."""

NOT_SAID = "Not in here: tags, ratings, notes and votes, and which preset, grid or study asked for a picture."

Facts = dict[str, Any]
FileNamed = Callable[[str], str]
"""What a project calls a file of the store, by the file's hash."""


class Exported(NamedTuple):
    """A project file, the files beside it, how many pictures it draws, and what of the others keeps them out."""

    path: Path
    files: tuple[Path, ...]
    pictures: int
    left_out: tuple[str, ...]


def export_project(bench: Workbench, found: Sequence[Record], query: str, path: Path) -> Exported:
    """Write a project that draws these pictures (the newest first), the oldest first; it was planned before, and compared.

    Raises UserError where none of them can be drawn here.
    """
    recipes, left_out = _drawable(bench, found[::-1], path)
    text, missing = _project(bench, recipes, query, path, left_out)
    if missing:
        why = "its stages differ from those of the others; export it by itself"
        left_out += [f"{_short(recipe)}: {why}" for recipe in missing]
        lost = {recipe.digest() for recipe in missing}
        recipes = [recipe for recipe in recipes if recipe.digest() not in lost]
        text, _ = _project(bench, recipes, query, path, left_out)
    files = _files(bench, recipes, path)
    return Exported(write(path, text), files, len(recipes), tuple(left_out))


def _drawable(bench: Workbench, found: Sequence[Record], path: Path) -> tuple[list[Recipe], list[str]]:
    """The recipes that can be drawn here, each once, and why others cannot."""
    drawable: dict[str, Recipe] = {}
    left_out: list[str] = []
    for record in found:
        recipe, name = record.recipe, f"{record.id[:8]} {_short(record.recipe)}"
        if record.failed is not None:
            left_out.append(f"{name}: it failed when it was drawn: {record.failed}")
        elif record.recipe_digest not in drawable:
            try:
                fingerprint = bench.model(recipe.model).info.fingerprint
                _, missing = _project(bench, [recipe], "", path, [])
            except UserError as error:
                left_out.append(f"{name}: {str(error).splitlines()[0]}")
                continue
            if missing:
                left_out.append(f"{name}: a project cannot say this recipe")
                continue
            drawable[record.recipe_digest] = recipe
            if record.provenance.model_fingerprint != fingerprint:
                left_out.append(f"{name}: it is in the project, but was drawn by other weights or another program")
    if not drawable:
        raise UserError("\n".join(["none of these pictures can be drawn here; nothing was written.", *left_out]))
    return list(drawable.values()), left_out


def _project(
    bench: Workbench, recipes: Sequence[Recipe], query: str, path: Path, left_out: Sequence[str]
) -> tuple[str, list[Recipe]]:
    """The text of a project, and which of the recipes it does not draw after all."""
    named = _namer(bench, path)
    text = project_text(recipes, query, path, left_out, named)
    # Planned with the store's own names for files: those beside the project are not written yet.
    plan = plan_project(
        bench, opened_from(project_text(recipes, query, path, (), str), path.parent, small=False, what=str(path))
    )
    drawn = {shot.recipe.digest() for shot in plan.shots}
    return text, [recipe for recipe in recipes if recipe.digest() not in drawn]


def project_text(recipes: Sequence[Recipe], query: str, path: Path, left_out: Sequence[str], named: FileNamed) -> str:
    """A project's text that draws these recipes, as far as a project can say them; ``left_out`` is told at its head."""
    alike = len({_rows(recipe, named) for recipe in recipes}) == 1
    settings = [_settings(recipe, named, stages=not alike) for recipe in recipes]
    names = list(dict.fromkeys(name for one in settings for name in one))
    shared = {name: settings[0][name] for name in names if all(one.get(name) == settings[0].get(name) for one in settings)}
    varied = [name for name in names if name not in shared]
    said = f"{len(recipes)} pictures" + (f" that were asked for by: {query}" if query else "")
    comments = [f"# {line}" for line in (said + ".", NOT_SAID, *(f"Left out: {why}" for why in left_out))]
    subjects, seeds = _subjects(recipes, [{name: one.get(name, "") for name in varied} for one in settings])
    parts = [*(line.replace("\n", " ") for line in comments), "", toml_of({"project": {"name": path.stem or "pictures"}})]
    parts += ["[subjects]", subjects, "", toml_of({"settings": {name: _toml(value) for name, value in shared.items()}})]
    if alike:
        parts.append(toml_of(_stages(recipes[0], named)))
    return "\n".join([*parts, toml_of({"seeds": seeds})])


def _settings(recipe: Recipe, named: FileNamed, *, stages: bool) -> dict[str, Scalar]:
    """The parameters that a recipe sets, under our names, but for its prompt and seed; those of ``stages`` where asked."""
    found: dict[str, Scalar] = {}
    for parameter in parameters():
        value = get_parameter(recipe, parameter.name)
        if parameter.kind == "size" or parameter.name in ("prompt", "seed") or value is None:
            continue
        if _is_plain(parameter) or stages:
            found[parameter.name] = named(str(value)) if parameter.choices == "file" and value else value
    return {name: value for name, value in found.items() if value != ""}


def _is_plain(parameter: Parameter) -> bool:
    return parameter.stage is None and not parameter.path.startswith("controls.")


def _stages(recipe: Recipe, named: FileNamed) -> dict[str, list[Facts]]:
    """The stages and controls of a recipe as a project writes them out."""
    tables = {"stages": recipe.stages, "controls": recipe.controls or ()}
    facts = {name: [row.model_dump(mode="json", exclude_none=True) for row in rows] for name, rows in tables.items()}
    return {name: [with_files(row, name, named) for row in rows] for name, rows in facts.items() if rows}


def _rows(recipe: Recipe, named: FileNamed) -> str:
    return toml_of(_stages(recipe, named))


def _subjects(recipes: Sequence[Recipe], columns: Sequence[Mapping[str, Scalar]]) -> tuple[str, Facts]:
    """What is in the table of subjects, and the seeds: prompts times seeds where that is all of it, else a row a picture."""
    prompts = list(dict.fromkeys(recipe.prompt for recipe in recipes))
    seeds = list(dict.fromkeys(recipe.seed for recipe in recipes))
    varied = list(columns[0])
    if not varied and len(recipes) == len(prompts) * len(seeds) and max(seeds) <= TOML_MOST:
        how = {"policy": "lock", "first": seeds[0]} if len(seeds) == 1 else {"policy": "list", "list": seeds}
        return _listed("prompts", map(inline_of, prompts)), how
    rows = [
        inline_of({"prompt": recipe.prompt, "seed": _toml(recipe.seed)} | {name: _toml(value) for name, value in own.items()})
        for recipe, own in zip(recipes, columns, strict=True)
    ]
    lines = ['prompt = "${prompt}"', *([f"sets = {inline_of(varied)}"] if varied else []), _listed("rows", rows)]
    return "\n".join(lines), {"policy": "row"}


def _listed(name: str, values: Iterable[str]) -> str:
    return "\n".join([f"{name} = [", *(f"  {value}," for value in values), "]"])


def _toml(value: Scalar) -> Scalar:
    return text_of(value) if isinstance(value, int) and not isinstance(value, bool) and value > TOML_MOST else value


def _namer(bench: Workbench, path: Path) -> FileNamed:
    """What files of the store are called beside a project: by the beginning of their hash, with the right ending."""

    def named(file_hash: str) -> str:
        return f"{path.stem}-files/{file_hash[:16]}.{suffix_of(bench.store.read_file(file_hash))}"

    return named


def _files(bench: Workbench, recipes: Sequence[Recipe], path: Path) -> tuple[Path, ...]:
    """Write the pictures that the recipes name beside the project."""
    hashes: dict[str, None] = {}
    named = _namer(bench, path)

    def noted(file_hash: str) -> str:
        hashes[file_hash] = None
        return file_hash

    for recipe in recipes:
        _stages(recipe, noted)
    return tuple(write(path.parent / named(one), bench.store.read_file(one)) for one in hashes)


def _short(recipe: Recipe) -> str:
    return f"{recipe.prompt[:40]!r}, seed {recipe.seed}"
