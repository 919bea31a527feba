"""Setting parameters on a recipe: a new recipe, or one error that lists everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from aldente.engine.errors import UserError
from aldente.engine.samplers.table import samplers
from aldente.recipe.names import automatic_schedule, canonical_name, split_sampler
from aldente.recipe.parameters import Parameter, Scalar, alias_note, fault, find_parameter, parameters, parse_value
from aldente.recipe.recipe import Recipe
from aldente.recipe.stages import ORDER, Control, Source
from aldente.recipe.value import Value

V = TypeVar("V", bound=Value)

_ORDERED = (("guidance_low", "guidance_high"), ("s_tmin", "s_tmax"), ("sigma_min", "sigma_max"), ("reuse_start", "reuse_end"))


def get_parameter(recipe: Recipe, name: str) -> Scalar:
    """What a recipe says for a parameter, by any of the parameter's names; ``size`` reads '512x768'."""
    return _get(recipe, find_parameter(name))


def set_parameter(recipe: Recipe, name: str, value: Scalar) -> Recipe:
    """The recipe with one parameter changed; a text is read as what the parameter is.

    'DPM++ 2M Karras' for the sampler sets the schedule as well; the schedule 'automatic' is the one usual with the sampler;
    'auto' steps are those that DPM++ 2M adaptive chooses.
    Raises UserError naming the parameter, the value and what is allowed.
    """
    parameter = find_parameter(name)
    if parameter.name == "steps" and isinstance(value, str) and value.strip().lower() == "auto":
        return set_parameter(recipe, "sampler", _choosing_steps(recipe))
    if isinstance(value, str):
        value = parse_value(parameter, value)
    for path, part in _parts(recipe, parameter, value, name).items():
        recipe = _replaced(recipe, path.split("."), part, parameter, name)
    return recipe


def set_parameters(recipe: Recipe, settings: Mapping[str, Scalar]) -> Recipe:
    """The recipe with many parameters changed; a schedule or a side that is named beats one implied by sampler or size.

    Raises one UserError that lists every fault.
    """
    faults: list[str] = []
    for name, value in sorted(settings.items(), key=lambda item: _is_implying(item[0]), reverse=True):
        try:
            recipe = set_parameter(recipe, name, value)
        except UserError as error:
            faults.append(str(error))
    _raise(faults)
    return recipe


def checked(recipe: Recipe) -> Recipe:
    """The recipe with every name in its one spelling and every pair of bounds in order.

    Raises one UserError that lists every fault.
    """
    faults: list[str] = []
    for parameter in parameters():
        if parameter.choices is None:
            continue
        try:
            recipe = set_parameter(recipe, parameter.name, _get(recipe, parameter))
        except UserError as error:
            faults.append(str(error))
    for low, high in _ORDERED:
        bottom, top = get_parameter(recipe, low), get_parameter(recipe, high)
        if isinstance(bottom, float) and isinstance(top, float) and bottom > top:
            faults.append(f"{low} is {bottom:g} and {high} is {top:g}; {low} must not be above {high}.")
    _raise(faults)
    return recipe


def recipe_from(facts: Mapping[str, Any]) -> Recipe:
    """The recipe written down in nested facts, as a file or a request carries it, checked.

    Raises one UserError that lists every fault: what, where, and what is allowed.
    """
    try:
        recipe = Recipe.model_validate(dict(facts))
    except ValidationError as error:
        raise UserError("\n".join(_fault_in(e["loc"], e["input"], e["msg"]) for e in error.errors())) from None
    return checked(recipe)


def _choosing_steps(recipe: Recipe) -> str:
    """The sampler that chooses its steps in place of the recipe's. Raises UserError where there is none."""
    sampler = recipe.sampling.sampler
    found = {info.name: info for info in samplers()}
    own = found[sampler] if sampler in found and "rtol" in found[sampler].options else found.get(f"{sampler}_adaptive")
    if own is None:
        choosing = ", ".join(name for name, info in found.items() if "rtol" in info.options)
        raise UserError(
            f"steps is 'auto', but sampler '{sampler}' cannot choose them; set the sampler to one of: dpmpp_2m, {choosing}."
        )
    return own.name


def _get(recipe: Recipe, parameter: Parameter) -> Scalar:
    if parameter.kind == "size":
        return f"{recipe.width}x{recipe.height}"
    value: Any = recipe
    for step in parameter.path.split("."):
        value = _row(value, step) if isinstance(value, tuple) else getattr(value, step)
        if value is None:
            return None
    return value  # type: ignore[no-any-return]


def _row(rows: tuple[Value, ...], step: str) -> Value | None:
    """The row that a step of a path names: by number, or the first of a kind; None where there is none."""
    if step.isdecimal():
        return rows[int(step)] if int(step) < len(rows) else None
    return next((row for row in rows if getattr(row, "kind", None) == step), None)


def _parts(recipe: Recipe, parameter: Parameter, value: Scalar, called: str) -> dict[str, Scalar]:
    """What to write where: a size is two sides, a combined sampler name also a schedule."""
    if parameter.kind == "size":
        if not isinstance(value, str):
            raise fault(parameter, value, called=called)
        width, height = value.split("x")
        return {"width": int(width), "height": int(height)}
    if parameter.choices == "sampler" and isinstance(value, str):
        sampler, schedule = split_sampler(value)
        schedules = {} if schedule is None else {find_parameter("schedule").path: schedule}
        return {parameter.path: sampler, **schedules}
    if parameter.choices == "schedule" and isinstance(value, str) and value.lower() == "automatic":
        return {parameter.path: automatic_schedule(recipe.sampling.sampler)}
    if parameter.choices is not None and isinstance(value, str):
        return {parameter.path: canonical_name(parameter.choices, value)}
    return {parameter.path: value}


def _replaced(value: V, path: Sequence[str], new: Scalar, parameter: Parameter, called: str) -> V:
    """A copy of a value with one fact changed at a path; the types and ranges of its fields are enforced."""
    field, rest = path[0], path[1:]
    inner: Any = new
    if field in ("stages", "controls") and rest:
        inner = _row_replaced(getattr(value, field) or (), field, rest, new, parameter, called) or None
    elif rest:
        inner = _replaced(getattr(value, field), rest, new, parameter, called)
    try:
        return type(value).model_validate({name: getattr(value, name) for name in type(value).model_fields} | {field: inner})
    except ValidationError:
        raise fault(parameter if parameter.kind != "size" else find_parameter(field), new, called=called) from None


def _row_replaced(
    rows: tuple[Value, ...], field: str, path: Sequence[str], new: Scalar, parameter: Parameter, called: str
) -> tuple[Value, ...]:
    """The rows with one fact changed; the row that is to have it is put in its place where there is none yet."""
    row = _row(rows, path[0])
    if row is None:
        if new is None:
            return rows
        row = Control() if field == "controls" else _fresh(path[0], rows)
        rows = (*rows, row) if field == "controls" else _with_stage(rows, row)
    changed = _replaced(row, path[1:], new, parameter, called)
    return tuple(changed if each is row else each for each in rows)


def _fresh(kind: str, rows: tuple[Value, ...]) -> Value:
    """A stage of this kind with nothing set; a source keeps what was set of the base that it stands in for."""
    stage = next(stage for stage in ORDER if stage.model_fields["kind"].default == kind)
    kept = {name: value for name, value in dict(rows[0]).items() if name != "kind"} if stage is Source else {}
    return stage.model_validate({name: value for name, value in kept.items() if value is not None})


def _with_stage(rows: tuple[Value, ...], stage: Value) -> tuple[Value, ...]:
    """The stages with one more, where it belongs; a source takes the place of the base."""
    if isinstance(stage, Source):
        return (stage, *rows[1:])
    place = next((i for i, row in enumerate(rows) if ORDER.index(type(row)) > ORDER.index(type(stage))), len(rows))
    return (*rows[:place], stage, *rows[place:])


def _is_implying(name: str) -> bool:
    try:
        parameter = find_parameter(name)
    except UserError:
        return False
    return parameter.kind == "size" or parameter.choices == "sampler"


def _fault_in(location: tuple[int | str, ...], found: object, message: str) -> str:
    path = ".".join(str(step) for step in location)
    known = {parameter.path: parameter for parameter in parameters()}
    if path in known:
        return str(fault(known[path], found))
    try:
        note = alias_note(str(location[-1])) if location else ""
    except UserError:
        note = ""
    return f"{path or 'the recipe'}: {message[0].lower()}{message[1:]}.{' ' if note else ''}{note}"


def _raise(faults: list[str]) -> None:
    if faults:
        raise UserError("\n".join(faults))
