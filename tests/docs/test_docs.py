"""The documentation is true: pages are fresh, links lead somewhere, examples run, commands and options exist."""

from __future__ import annotations

import doctest
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from aldente.engine.samplers import samplers
from aldente.engine.schedules.table import schedules
from aldente.interface.cli import COMMANDS
from aldente.interface.options import with_our_names
from aldente.recipe.parameters import parameters

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (aldente .*)$", re.MULTILINE)


def test_pages_are_fresh_links_lead_somewhere_and_sources_are_known():
    looked = subprocess.run([sys.executable, DOCS / "build.py", "--check"], capture_output=True, text=True, check=False)
    assert looked.returncode == 0, looked.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if PYTHON.search(page.read_text())], ids=lambda page: page.name)
def test_examples_in_python_run_and_give_what_they_say(page):
    blocks = "\n".join(PYTHON.findall(page.read_text()))
    example = doctest.DocTestParser().get_doctest(blocks, {}, page.name, str(page), 0)
    assert example.examples

    told: list[str] = []
    runner = doctest.DocTestRunner()
    runner.run(example, out=told.append)

    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def test_the_readme_and_the_library_page_have_examples():
    assert PYTHON.search((ROOT / "README.md").read_text())
    assert PYTHON.search((DOCS / "library.md").read_text())


COMMANDS_SHOWN = [(page.name, line) for page in PAGES for line in COMMAND.findall(page.read_text())]


@pytest.mark.parametrize(("page", "line"), COMMANDS_SHOWN)
def test_commands_that_are_shown_exist_with_their_options(page, line):
    command, *words = with_our_names(shlex.split(line)[1:], lambda note: None)
    signature = inspect.signature(import_module(f"aldente.interface.{COMMANDS[command].module}").command, eval_str=True)
    known = {flag for name, parameter in signature.parameters.items() for flag in flags(name, parameter)}

    assert {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known, page


def flags(name, parameter):
    declaration = parameter.annotation.__metadata__[0]
    spelt = [word for word in (declaration.default, *(declaration.param_decls or ())) if isinstance(word, str)]
    return [flag for word in spelt for flag in word.split("/")] or [f"--{name.replace('_', '-')}"]


def test_there_are_commands_to_check():
    assert {line.split()[1] for _, line in COMMANDS_SHOWN} >= {"generate", "grid", "tune", "history", "show", "reproduce"}


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("samplers.md", [name for info in samplers() for name in (info.name, *info.aliases)]),
        ("schedules.md", [name for info in schedules() for name in (info.name, *info.aliases)]),
        ("parameters.md", [name for parameter in parameters() for name in (parameter.name, *parameter.aliases)]),
        ("cli.md", [f"aldente {name}" for name in COMMANDS]),
    ],
)
def test_reference_pages_name_everything(page, names):
    text = (DOCS / page).read_text()
    assert [name for name in names if name not in text] == []


def test_every_page_is_reached_from_the_index():
    index = (DOCS / "index.md").read_text()
    pages = [*DOCS.glob("*.md"), *DOCS.glob("adr/*.md")]
    assert [page.name for page in pages if page.name != "index.md" and page.name not in index] == []


def test_counts_in_the_readme_are_those_of_the_tables():
    readme = (ROOT / "README.md").read_text()
    assert f"{len(samplers())} [samplers]" in readme
    assert f"{len(schedules())} [schedules]" in readme


def test_every_dependency_has_its_reason_licence_and_weight():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (DOCS / "adr" / "0006-dependencies.md").read_text()
    names = [re.split(r"[^\w-]", dependency)[0] for dependency in project["dependencies"]]
    assert [name for name in names if name not in text] == []
