"""Project files: TOML in, a project out, or one error that says every fault and the line where it stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from aldente.engine.errors import UserError, unknown
from aldente.recipe.axes import parse_axis
from aldente.recipe.parameters import fault, find_parameter, parameters, spelling_of
from aldente.recipe.project import Project, Reference, Variant
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import recipe_from, set_parameters
from aldente.recipe.stages import ORDER, Control
from aldente.recipe.value import Value

_KEY = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|([\w-]+))\s*=")
_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_ELSEWHERE = {"prompt": "[subjects]", "seed": "[seeds]"}
"""Parameters that a project says in a table of their own."""

ANY_FILE = "0" * 64
"""What stands for a picture's file, which only the store can look up."""

_STAGES: dict[str, type[Value]] = {stage.model_fields["kind"].default: stage for stage in ORDER}

OPTIONAL = "optional"
"""What a control says that may be left out."""

Place = tuple[int | str, ...]


def read_project(text: str, *, small: bool = False) -> Project:
    """The project that a TOML file describes; its table ``[small]`` is laid over it for a ``small`` run.

    Raises UserError that lists every fault with its line: syntax, fields, parameters and values that are not allowed.
    """
    facts = _facts(text)
    lesser = facts.pop("small", None)
    if lesser is not None and not isinstance(lesser, dict):
        raise UserError("small: must be a table of what to change, such as [small.seeds].")
    if small:
        if lesser is None:
            raise UserError("the project has no table [small]; leave --small out.")
        facts = _merged(facts, lesser)
    try:
        project = Project.model_validate(facts)
    except ValidationError as error:
        found = [(e["loc"], _sentence(e["msg"])) for e in error.errors()]
        raise _faults(text, found) from None
    if wrong := list(_wrong(project)):
        raise _faults(text, wrong)
    return project


def stage_facts(table: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a ``[[stages]]`` table under a stage's own names: ``denoise`` of a redraw is its ``strength``.

    Raises UserError for a kind of stage that there is not.
    """
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _STAGES:
        raise unknown("kind of stage", str(kind), _STAGES)
    return _under_own_names(table, f"stages.{kind}.", set(_STAGES[kind].model_fields))


def control_facts(table: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a ``[[controls]]`` table under a control's own names, without whether it is optional."""
    table = {name: value for name, value in table.items() if name != OPTIONAL}
    return _under_own_names(table, "controls.0.", set(Control.model_fields))


def is_file(name: str) -> bool:
    """Whether a setting names a picture's file. Raises UserError for what is no parameter."""
    return find_parameter(name).choices == "file"


def _facts(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the file is not TOML: {_sentence(str(error))}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"the file cannot be read as TOML: {_sentence(str(error))}") from None


def _merged(facts: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with others over them; tables are merged, everything else replaced."""
    merged = dict(facts)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _under_own_names(table: Mapping[str, Any], path: str, own: set[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, value in table.items():
        field = name
        if name not in own:
            parameter = find_parameter(name)
            field = parameter.path.removeprefix(path)
            if field not in own:
                owner = parameter.path.rpartition(".")[0] or "the recipe"
                raise UserError(f"{name} is a parameter of {owner}; it has no place here.")
        facts[field] = value
    return facts


def _wrong(project: Project) -> Iterable[tuple[Place, str]]:
    """Every fault that types alone do not show, with its place."""
    yield from _wrong_settings(("settings",), project.settings)
    for i, name in enumerate(project.subjects.sets):
        yield from _wrong_setting(("subjects", "sets"), name)
        if spelling_of(name) in {spelling_of(other) for other in project.subjects.sets[:i]}:
            yield ("subjects", "sets"), f"{name} is there twice."
    yield from _wrong_variants("variants", project.variants)
    yield from _wrong_variants("references", project.references)
    if project.ab is not None:
        yield from _wrong_variants("ab.choices", project.ab.choices)
    for i, gate in enumerate(project.gates):
        yield from _wrong_settings(("gates", i, "than"), gate.than)
    for axis in project.project.axes:
        # Which presets there are, only the store knows.
        if "preset" not in spelling_of(axis.partition("=")[0]):
            yield from _said(("project", "axes"), lambda axis=axis: parse_axis(axis))
    yield from _wrong_stages(project)


def _wrong_variants(place: str, variants: Iterable[Variant | Reference]) -> Iterable[tuple[Place, str]]:
    seen: set[str] = set()
    for i, variant in enumerate(variants):
        where: Place = (*place.split("."), i)
        if spelling_of(variant.name) in seen:
            yield (*where, "name"), f"'{variant.name}' is there twice; give one of them another name."
        seen.add(spelling_of(variant.name))
        yield from _wrong_settings((*where, "settings"), variant.settings)


def _wrong_settings(where: Place, settings: Mapping[str, Any]) -> Iterable[tuple[Place, str]]:
    for name, value in settings.items():
        place = (*where, name)
        if fault := list(_wrong_setting(place, name)):
            yield from fault
        elif not is_file(name):
            yield from _said(place, lambda name=name, value=value: set_parameters(Recipe(), {name: value}))


def _wrong_setting(where: Place, name: str) -> Iterable[tuple[Place, str]]:
    try:
        ours = find_parameter(name).name
    except UserError as error:
        yield where, str(error)
        return
    if ours in _ELSEWHERE:
        yield where, f"the {ours} is no setting here; it is said in {_ELSEWHERE[ours]}."


def _wrong_stages(project: Project) -> Iterable[tuple[Place, str]]:
    given: dict[str, list[dict[str, Any]]] = {}
    wrong = False
    for name, tables, own in (("stages", project.stages, stage_facts), ("controls", project.controls, control_facts)):
        for i, table in enumerate(tables):
            try:
                facts = with_files(own(table), name, lambda _: ANY_FILE)
            except UserError as error:
                wrong = True
                yield (name, i), str(error)
                continue
            for fault_ in _wrong_row((name, i), facts, Control if name == "controls" else _STAGES[facts["kind"]]):
                wrong = True
                yield fault_
            given.setdefault(name, []).append(facts)
    if given and not wrong:
        yield from _said((next(iter(given)),), lambda: recipe_from(given))


def _wrong_row(where: Place, facts: Mapping[str, Any], kind: type[Value]) -> Iterable[tuple[Place, str]]:
    known = {parameter.path: parameter for parameter in parameters()}
    try:
        kind.model_validate(dict(facts))
    except ValidationError as error:
        for e in error.errors():
            parameter = known.get(f"{where[0]}.{facts.get('kind', 0)}.{e['loc'][0]}") if e["loc"] else None
            yield (*where, *e["loc"]), str(fault(parameter, e["input"])) if parameter else _sentence(e["msg"])


def with_files(facts: Mapping[str, Any], table: str, kept: Callable[[str], str]) -> dict[str, Any]:
    """The facts of a stage or control with the paths of pictures replaced by what ``kept`` says of each."""
    files = {parameter.path for parameter in parameters() if parameter.choices == "file"}
    row = f"{table}.{facts.get('kind', 0)}."
    return {
        name: kept(value) if row + name in files and isinstance(value, str) and value else value
        for name, value in facts.items()
    }


def _said(where: Place, check: Any) -> Iterable[tuple[Place, str]]:
    try:
        check()
    except UserError as error:
        yield where, str(error)


def _faults(text: str, found: Iterable[tuple[Place, str]]) -> UserError:
    lines = []
    for place, message in found:
        path = ".".join(str(step) for step in place)
        number = line_of(text, place)
        lines.append(f"{f'line {number}, ' if number else ''}{path}: {message}")
    return UserError("\n".join(dict.fromkeys(lines)))


def line_of(text: str, place: Place) -> int | None:
    """The line (from 1) of a TOML file where a place stands, or of the nearest table or key around it that has one."""
    wanted = tuple(str(step) for step in place)
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    best, best_line = 0, None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.fullmatch(line):
            names = tuple(part.strip(" \"'") for part in header[2].split("."))
            if header[1] == "[[":
                counts[names] = counts.get(names, -1) + 1
                table = (*names, str(counts[names]))
            else:
                table = names
            path = table
        elif key := _KEY.match(line):
            path = (*table, key[1] or key[2] or key[3] or "")
        else:
            continue
        if len(path) > best and wanted[: len(path)] == path:
            best, best_line = len(path), number
    return best_line


def _sentence(message: str) -> str:
    plain = message.removeprefix("Value error, ").rstrip(".")
    return f"{plain[:1].lower()}{plain[1:]}."
