"""Command-line options of a recipe, derived from its fields: name, kind, range and help are written there, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from aldente.engine.errors import UserError
from aldente.recipe.parameters import Parameter, alias_note, find_parameter, parameters

Settings = Mapping[str, Any]
"""What the user set, as text, by our parameter names; what was left alone is not in it."""

StoreOption = Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]

_POSITIONAL = "prompt"

_PANELS = {
    "source": "From a picture",
    "extend": "Outpainting",
    "redraw": "Drawing again and inpainting",
    "resize": "Enlarging",
    "refine": "Hires fix",
    "tiles": "Tiles",
}
"""The headings under which the help lists the options of each stage."""


def option_name(parameter: Parameter) -> str:
    """``--guidance-low`` for ``guidance_low``."""
    return "--" + parameter.name.replace("_", "-")


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for every parameter of a recipe; it receives those that were set as ``settings``."""
    options = {parameter.name: parameter for parameter in parameters() if parameter.name != _POSITIONAL}

    @wraps(command)
    def run(**given: Any) -> None:
        settings = {name: given.pop(name) for name in options}
        command(**given, settings={name: value for name, value in settings.items() if value is not None})

    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "settings"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(parameter))
        for name, parameter in options.items()
        if name not in signature.parameters
    ]
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    return run


def _annotation(parameter: Parameter) -> Any:
    default = "" if parameter.default is None else f" [default: {parameter.default}]"
    option = typer.Option(
        option_name(parameter),
        help=f"{parameter.help}{default}",
        metavar=_metavar(parameter),
        rich_help_panel=_panel(parameter),
        show_default=False,
    )
    return Annotated[str | None, option]


def _metavar(parameter: Parameter) -> str:
    """What to give: the kind of value, a file, or the choices."""
    if parameter.choices == "file":
        return "FILE|ID"
    return "|".join(parameter.values) or parameter.kind.upper().replace(" ", "-")


def _panel(parameter: Parameter) -> str:
    if parameter.path.startswith("controls."):
        return "Control"
    return "Recipe" if parameter.stage is None else _PANELS[parameter.stage]


def with_our_names(arguments: list[str], note: Callable[[str], None]) -> list[str]:
    """The command line with other programs' option names (``--num-inference-steps``) replaced by ours; ``note`` says so.

    Options that are no parameter of a recipe are left as they are.
    """
    renamed = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.startswith("--") and len(name) > 2 and (parameter := _parameter(name[2:])) is not None:
            ours = option_name(parameter)
            if name != ours and name not in _OWN:
                note(alias_note(name[2:].replace("-", "_")) or f"'{name}' is '{ours}' here.")
                name = ours
        renamed.append(f"{name}{equals}{value}")
    return renamed


_OWN = frozenset({"--text", "--out", "--json", "--seed", "--set"})


def notes_on(axes: Sequence[str]) -> list[str]:
    """What to tell a user whose axes use other programs' names."""
    names = [piece.partition("=")[0].strip() for axis in axes for piece in axis.split("&")]
    return [note for name in names if _parameter(name) is not None and (note := alias_note(name))]


def _parameter(name: str) -> Parameter | None:
    try:
        return find_parameter(name)
    except UserError:
        return None
