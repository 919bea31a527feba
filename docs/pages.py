"""The reference pages that are read off the code: samplers, schedules, parameters, presets, metrics and the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, get_args, get_origin

from aldente.engine.samplers import SamplerInfo, samplers
from aldente.engine.schedules.table import ScheduleInfo, build_schedule, schedules
from aldente.interface.cli import COMMANDS
from aldente.interface.options import option_name
from aldente.quality.metric import Metric
from aldente.quality.table import COMPARISONS, METRICS, SPREADS
from aldente.recipe.parameters import Parameter, find_parameter, parameters, text_of
from aldente.recipe.presets import Preset, folklore

NOTE = "<!-- Written by `python docs/build.py` from the code. Edit the code, not this page. -->"

EXAMPLE_STEPS = 6

RECIPE_PANEL = "Recipe"
"""Where the help of a command shows the options of a recipe."""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _words(documented: object) -> str:
    """A docstring as one paragraph of Markdown."""
    return " ".join((inspect.getdoc(documented) or "").replace("``", "`").split())


def _told(descriptions: Iterable[tuple[str, str]]) -> str:
    """A list of descriptions; names that share one stand together."""
    names: dict[str, list[str]] = {}
    for name, words in descriptions:
        names.setdefault(words, []).append(name)
    return "\n".join(f"- {_code(same)}: {words}" for words, same in names.items())


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *parts]) + "\n"


def samplers_page() -> str:
    """Every sampler with its names, cost and options, and what it does."""
    return _page(
        "Samplers",
        "A name is read whatever its case, spaces and punctuation: `DPM++ 2M`, `dpmpp_2m` and `DPMSolverMultistep` are"
        " one sampler. `DPM++ 2M Karras` names the [schedule](schedules.md) as well. A sampler named without a schedule"
        " takes the one in the column *schedule*, as in A1111.",
        "*Order* is how fast the error falls as steps grow (for samplers that add noise: the error of the mean); the tests"
        " measure it. *Calls* are model evaluations a step; guidance doubles them. The last step to zero noise is always"
        " one evaluation. The same table: `aldente samplers`.",
        _table(
            ("name", "in A1111", "also called", "order", "calls", "adds noise", "schedule", "options"),
            map(_sampler, samplers()),
        ),
        "## What each does",
        _told((info.name, _words(type(info.build()))) for info in samplers()),
        "Keys in brackets are in [references.bib](references.bib).",
    )


def _sampler(info: SamplerInfo) -> Sequence[str]:
    order = str(info.order) if info.converges else "never settles"
    calls = "its own" if info.whole else str(info.calls_per_step)
    noise = "yes" if info.stochastic else "no"
    return (f"`{info.name}`", info.title, _code(info.aliases), order, calls, noise, info.schedule, _code(info.options))


def schedules_page() -> str:
    """Every schedule with its names and options, what it does, and its levels in a short run."""
    return _page(
        "Schedules",
        "A schedule says how the noise levels (sigma) of a run are spaced. *Made from* is what it starts from: the two ends"
        " of the model's range, the model's training timesteps, a published table, the time of a flow model, or its own"
        " constants. The same table: `aldente schedules`.",
        _table(("name", "in A1111", "also called", "made from", "options"), map(_schedule, schedules())),
        "## What each does",
        _told((info.name, _words(info.build)) for info in schedules()),
        f"## {EXAMPLE_STEPS} steps of each",
        "Over Stable Diffusion's range. `flow` and its kin belong to models whose sigma ends at 1.",
        _table(("name", "levels"), ((f"`{info.name}`", _levels(info)) for info in schedules())),
        "Keys in brackets are in [references.bib](references.bib).",
    )


def _schedule(info: ScheduleInfo) -> Sequence[str]:
    options = ", ".join(f"`{name}`" if value is None else f"`{name}` ({value})" for name, value in info.options.items())
    return (f"`{info.name}`", info.title, _code(info.aliases), info.kind, options)


def _levels(info: ScheduleInfo) -> str:
    missing = [name for name, value in info.options.items() if value is None]
    if missing:
        return f"needs {_code(missing)}"
    return ", ".join(f"{sigma:.3g}" for sigma in build_schedule(info.name, EXAMPLE_STEPS))


def parameters_page() -> str:
    """Every parameter of a recipe: its names, what it may be, its default."""
    return _page(
        "Parameters",
        "Everything that determines a picture. Each parameter is an option of `generate`, `grid` and `tune`, an axis of a"
        " grid, and a setting of a preset. Other programs' names are understood in any spelling, and aldente says which"
        " name is its own.",
        _table(("parameter", "option", "also called", "what it may be", "default", "meaning"), map(_parameter, parameters())),
        "`--seed random` (or -1) draws a seed and prints it. Width and height default to the model's own size.",
    )


def _parameter(parameter: Parameter) -> Sequence[str]:
    option = "the argument" if parameter.name == "prompt" else f"`{option_name(parameter)}`"
    allowed = f"a name of the [{parameter.choices}s]({parameter.choices}s.md)"
    chosen = parameter.choices in ("sampler", "schedule")
    default = "empty" if parameter.default == "" else text_of(parameter.default)
    return (
        f"`{parameter.name}`",
        option,
        _code(parameter.aliases),
        allowed if chosen else parameter.allowed,
        default,
        parameter.help,
    )


def presets_page() -> str:
    """The bundled presets, marked as what they are."""
    return _page(
        "Presets",
        "A preset is a part of a recipe under a name: `aldente generate 'a red apple' --preset production`. What you say on"
        " the command line beats the preset.",
        "The presets below come with aldente. They are **folklore**: what guides recommend for Stable Diffusion models."
        " We measured none of it. A study (`aldente tune`) makes **measured** presets, which name the study, the model's"
        " weights, the confidence and the cost. `aldente presets` lists both.",
        _table(("name", "settings", "range the guides give", "what it is for", "source"), map(_preset, folklore().values())),
        "A size is taken only where the model can draw it. `aldente presets --export FILE` writes presets to a file,"
        " `aldente presets --add FILE` keeps those of a file.",
    )


def _preset(preset: Preset) -> Sequence[str]:
    settings = {**preset.settings, **preset.advisory}
    return (
        f"`{preset.name}`",
        ", ".join(f"{name} {text_of(value)}" for name, value in settings.items()),
        ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in preset.bands.items()),
        preset.summary,
        preset.source,
    )


def metrics_page() -> str:
    """Every metric with its unit and what change of it is noticeable."""
    return _page(
        "Metrics",
        f"What aldente measures on pictures. The first {len(COMPARISONS)} compare two pictures. The others are read off one"
        " picture and judged in pairs: the same prompt and seed at two settings. *Noticeable* is the change that counts as"
        " one. No sign says that a picture is good: signs say that it got worse than its pair.",
        _table(("name", "what", "unit", "worse is", "noticeable", "how"), map(_metric, METRICS)),
        "## Of several pictures",
        "How different the pictures of one prompt are over seeds.",
        _table(("name", "what", "unit", "how"), [(f"`{s.name}`", s.title, s.unit, _words(s.compute)) for s in SPREADS]),
        "## Of models that you have",
        "`aldente.quality.clip.load_scorer(FOLDER)` reads a CLIP or SigLIP model in the layout of transformers, and with"
        ' `trained_as="pickscore"` PickScore, which is a CLIP model trained on people\'s choices [Kirstain 2023];'
        " `preferences` tells from its scores how probably each picture is chosen. Nothing is downloaded: it needs"
        " `pip install transformers torch` and the files. Every score names the SHA-256 of the weights and the versions of"
        " the libraries, because scores of others are on another scale.",
        "HPSv3 has no adapter. It is a 7 B vision-language model with a head of its own, read by its authors' program with"
        " a prompt of theirs; without its 16 GB at hand, nothing that we wrote could be shown to give its numbers.",
        "Keys in brackets are in [references.bib](references.bib).",
    )


def _metric(entry: Metric) -> Sequence[str]:
    noticeable = getattr(entry, "noticeable", None)
    worse = getattr(entry, "worse", None) or {"lower": "more", "higher": "less"}[getattr(entry, "better", "lower")]
    amount = "" if noticeable is None else f"{noticeable:g}"
    return (f"`{entry.name}`", entry.title, entry.unit, worse, amount, _words(entry.compute))


def cli_page() -> str:
    """Every command with its options; those of a recipe once."""
    return _page(
        "Command line",
        "`aldente COMMAND --help` says the same. Exit codes: 0 done, 1 partly failed (for `reproduce`: different), 2 wrong"
        " input, 130 stopped. Results go to standard output, progress and notes to standard error. With `--json` the answer"
        " is one JSON document.",
        "The store is `--store`, else the variable `ALDENTE_STORE`, else a file in the user's data directory.",
        *(_command(name) for name in COMMANDS),
    )


def _command(name: str) -> str:
    entry = COMMANDS[name]
    function = import_module(f"aldente.interface.{entry.module}").command
    own = {p.name: p for p in inspect.signature(function, eval_str=True).parameters.values()}
    settings = [name for name, parameter in own.items() if _declared(parameter)[1].rich_help_panel == RECIPE_PANEL]
    rows = [_option(name, parameter) for name, parameter in own.items() if name not in settings]
    takes = f"And the options of a recipe: see [parameters](parameters.md) (`{option_name(find_parameter('steps'))} 20`)."
    parts = [f"## aldente {name}", entry.help, _table(("argument or option", "value", "default", "meaning"), rows)]
    return "\n\n".join(parts + ([takes] if settings else []))


def _flags(name: str, parameter: inspect.Parameter) -> tuple[str, ...]:
    declaration = _declared(parameter)[1]
    # Inside Annotated, typer keeps the first spelling where the default would be.
    spelt = (declaration.default, *(declaration.param_decls or ()))
    declared = tuple(word for word in spelt if isinstance(word, str) and word.startswith("-"))
    return declared or (f"--{name.replace('_', '-')}",)


def _declared(parameter: inspect.Parameter) -> tuple[Any, Any]:
    """The type and the declaration in an ``Annotated`` parameter."""
    kind, declaration, *_ = get_args(parameter.annotation)
    return kind, declaration


def _option(name: str, parameter: inspect.Parameter) -> Sequence[str]:
    assert get_origin(parameter.annotation) is Annotated, name
    kind, declaration = _declared(parameter)
    argument = type(declaration).__name__ == "ArgumentInfo"
    called = f"`{name.upper()}`" if argument else _code(_flags(name, parameter))
    required = parameter.default is parameter.empty
    default = "required" if required else _default(parameter.default)
    return (called, _kind(kind), default, declaration.help or "")


def _default(value: object) -> str:
    return "" if value is None or value is False else "on" if value is True else str(value)


def _kind(kind: Any) -> str:
    """A type in words."""
    inner = [part for part in get_args(kind) if part is not type(None)]
    if str(get_origin(kind)) == "typing.Literal":
        return ", ".join(str(part) for part in inner)
    if inner:
        return _kind(inner[0])
    return {"bool": "switch", "int": "whole number", "str": "text", "Path": "path", "float": "number"}[kind.__name__]


PAGES: Mapping[str, Callable[[], str]] = {
    "samplers.md": samplers_page,
    "schedules.md": schedules_page,
    "parameters.md": parameters_page,
    "presets.md": presets_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
}
"""The pages by file name; to add one, write its function and its row here."""
