"""The command line. Only the command that is asked for is imported, so that help answers at once."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import NamedTuple

import typer

from aldente import __version__
from aldente.engine.errors import UserError


class Command(NamedTuple):
    """A verb: the module of its function ``command``, what it does, and its group in the help."""

    module: str
    help: str
    group: str


COMMANDS = {
    "generate": Command("generate", "Draw pictures from a prompt.", "Draw"),
    "grid": Command("grid", "Draw a grid over any parameters, and read it.", "Draw"),
    "upscale": Command("upscale", "Enlarge pictures.", "Draw"),
    "run": Command("run", "Draw a project: many subjects through stages and gates, with a report.", "Draw"),
    "queue": Command("queue", "Keep projects in a queue that survives everything, and draw them.", "Draw"),
    "lab": Command("lab", "Vary one parameter at a time, and say which moves the picture most.", "Find"),
    "tune": Command("tune", "Find the cheapest setting that is as good as the dearest.", "Find"),
    "search": Command("search", "Find the best setting over many parameters at once.", "Find"),
    "learn-schedule": Command("learn", "Learn the noise levels for a number of steps, and prove them.", "Find"),
    "train-lora": Command("train_lora", "Train a LoRA from pictures with captions.", "Find"),
    "demo": Command("demo", "Tune the embedded model on bundled prompts: the whole idea in three minutes.", "Find"),
    "advise": Command("advise", "Advise on a prompt's settings, and review those that are given.", "Find"),
    "presets": Command("presets", "List the settings kept by name, folklore and measured.", "Find"),
    "history": Command("history", "List the pictures in the store, newest first.", "Keep"),
    "show": Command("show", "Tell everything known about a picture.", "Keep"),
    "diagnose": Command("diagnose", "Name a picture's likely flaws, with evidence and the change to try.", "Keep"),
    "reproduce": Command("reproduce", "Make a picture again and say how near it comes.", "Keep"),
    "mark": Command("mark", "Tag, rate and annotate a picture, or say that it is better than another.", "Keep"),
    "rank": Command("rank", "Rank pictures, or settings, by the votes between them.", "Keep"),
    "measure": Command("measure", "Measure what is not known yet of the pictures in the store.", "Keep"),
    "diff": Command("diff", "Compare two pictures: what was asked, what it cost, what came out.", "Keep"),
    "lineage": Command("lineage", "Tell what a picture was made from, and what from it.", "Keep"),
    "export": Command("export", "Write the pictures that a query asks for as a table or a sheet.", "Keep"),
    "import": Command("importing", "Take in pictures of other programs, with their recipes.", "Keep"),
    "gc": Command("gc", "Find the files that nothing needs, and remove them.", "Keep"),
    "verify": Command("verify", "Check every row and every file of the store.", "Keep"),
    "backup": Command("backup", "Copy the store while it is in use.", "Keep"),
    "samplers": Command("samplers", "List the samplers, their names elsewhere and what they cost.", "Look up"),
    "schedules": Command("schedules", "List the schedules and their names elsewhere.", "Look up"),
    "models": Command("models", "List the models.", "Look up"),
}

EPILOG = "Begin with: aldente generate 'a red apple, 3d render'   Then: aldente grid --help"


def build(wanted: str | None) -> typer.Typer:
    """The command line with ``wanted`` ready to run; the others are there for the help only."""
    app = typer.Typer(
        name="aldente",
        help="Diffusion images, cooked just right.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback()(_root)
    for name, (module, help_, group) in COMMANDS.items():
        function = import_module(f"aldente.interface.{module}").command if name == wanted else _elsewhere
        app.command(name, help=help_, rich_help_panel=group)(function)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command line (the process's own if not given); exit codes: 0 done, 1 partly failed, 2 wrong input, 130 stopped."""
    given = sys.argv[1:] if arguments is None else arguments
    wanted = next((argument for argument in given if not argument.startswith("-")), None)
    try:
        _check_text(given)
        if wanted in ("generate", "grid", "upscale", "tune", "search", "learn-schedule", "advise", "lab"):
            from aldente.interface.options import with_our_names  # noqa: PLC0415  # imports the recipe

            given = with_our_names(given, _note)
        if wanted == "mark":
            from aldente.interface.mark import with_untags  # noqa: PLC0415

            given = with_untags(given)
        build(wanted)(given, prog_name="aldente")
    except UserError as error:
        _fail(str(error), as_json="--json" in given)
        raise SystemExit(2) from None


def _check_text(arguments: list[str]) -> None:
    """Raise UserError where an argument is not text: a recipe could not be written down with it."""
    for argument in arguments:
        if any("\ud800" <= sign <= "\udfff" for sign in argument):
            raise UserError(f"argument {argument!a} is not UTF-8 text; set the terminal to UTF-8, or write it anew.")


def _version(wanted: bool) -> None:  # typer calls it so
    if wanted:
        print(f"aldente {__version__}")  # noqa: T201
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True, callback=_version),
) -> None:
    """Nothing but options that stop: without a command they must be heard before one is missed."""


def _elsewhere() -> None:
    raise AssertionError("a command that was not asked for has run")


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)  # noqa: T201


def _fail(message: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": message}))  # noqa: T201
    print(f"aldente: {message}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
