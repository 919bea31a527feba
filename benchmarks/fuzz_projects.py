"""Odd texts to the readers of prompts, dynamic prompts and projects: each is read, or refused with words, and soon.

python -m benchmarks.fuzz_projects --count 10000
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from random import Random

from aldente.engine.errors import UserError
from aldente.recipe.dynamic import groups_of, template_of
from aldente.recipe.project_file import read_project
from aldente.recipe.project_items import filled, items_of, subjects_of
from aldente.recipe.prompt import parse
from aldente.recipe.template import Counts, drawn, nth
from aldente.testing.fuzzing import Fuzzed
from aldente.testing.fuzzing import fuzz as fuzz_odd

SLOW_SECONDS = 2.0
"""What a single text may take of this process's own time."""

_PROMPT = [
    "(",
    ")",
    "[",
    "]",
    ":",
    "|",
    "{",
    "}",
    "__",
    "$$",
    "${",
    "%{",
    "=",
    "!",
    "~",
    "@",
    "::",
    "1.2",
    "0.8-1.4 (+0.2)",
    "2$$",
    "1-3$$",
    "a",
    "red",
    " ",
    ",",
    "AND",
    "BREAK",
    "<lora:x:1>",
    "\\",
    "#",
    "//",
    "/*",
    "\n",
    "\u0000",
    "\ud800",
    "é",
    "🍝",
    "${v=!{a|b}}",
    "${v}",
    "__colours__",
    "__loop__",
    "__~colours__",
    "9" * 30,
    "-",
    "..",
    "[cat:dog:0.5]",
    "{a|b}",
]

_LINES = [
    "[project]",
    "[subjects]",
    "[settings]",
    "[[stages]]",
    "[[controls]]",
    "[seeds]",
    "[[variants]]",
    "[outputs]",
    "[budget]",
    "[[gates]]",
    "[ab]",
    "[[ab.choices]]",
    "[small.seeds]",
    "[small]",
    "[",
    "]",
    "=",
    'name = "x"',
    'name = ""',
    "name = 3",
    'prompts = ["a", "b"]',
    'prompt = "${subject} {a|b}"',
    'prompt = "__c__"',
    "dynamic = true",
    "combinations = true",
    "draws = 99999999999999999999",
    "draws = 3",
    'rows = [{a = "x", cfg = 3}]',
    'csv = "no.csv"',
    'sets = ["cfg"]',
    'sets = ["nothing"]',
    "steps = 20",
    "steps = 0",
    'steps = "auto"',
    "step = 3",
    "cfg = nan",
    "cfg = inf",
    "cfg = -1e999",
    'sampler = "eluer"',
    'sampler = "euler"',
    'image = "a.png"',
    "upscale_by = 1.5",
    'kind = "base"',
    'kind = "tiles"',
    'kind = "redraw"',
    'kind = "nope"',
    "kind = 3",
    "strength = 2",
    "denoise = 0.3",
    'mask = "m.png"',
    'policy = "lock"',
    'policy = "batch"',
    'policy = "list"',
    "list = [1, 2]",
    "list = [-1]",
    "first = 18446744073709551616",
    "batch = 0",
    "pictures = 3",
    "redraws = 2",
    "settings = {cfg = 3}",
    'axes = ["cfg=2,4"]',
    'axes = ["cfg"]',
    'axes = ["preset=a"]',
    'format = "webp"',
    'format = "gif"',
    "quality = 101",
    'folder = "/"',
    'sign = "blown"',
    "at_most = 0.1",
    "at_most = nan",
    "than = {cfg = 3}",
    "than = {nope = 3}",
    "calls = 0",
    "seconds = 1e400",
    "subjects = 2",
    "choices = []",
    "a.b.c = 1",
    '"quoted key" = 1',
    "x = 1979-05-27",
    "x = '''",
    "\u0000",
    "\ud800",
    "# comment",
    "",
    "size = '64x64'",
    "seed = 3",
]

_WHOLE = """[project]
name = "x"
[subjects]
prompts = ["a {red|blue} owl", "a cat"]
dynamic = true
[settings]
steps = 20
[seeds]
policy = "image"
"""


def odd_prompt(rng: Random) -> str:
    """A text of the grammar's signs in any order."""
    return "".join(rng.choice(_PROMPT) for _ in range(rng.randrange(1, 40)))


def odd_project(rng: Random) -> str:
    """A project file with lines that may be there, or may not, in any order; now and then one sign of it changed."""
    lines = _WHOLE.splitlines() if rng.random() < 0.8 else []
    for _ in range(rng.randrange(0, 12)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(_LINES))
    text = "\n".join(lines)
    if rng.random() < 0.3 and text:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", "=", '"', "[", "\n", "{", "9", "\\"]) + text[at + 1 :]
    return text


def wildcards(name: str) -> list[tuple[str, float]]:
    """A few wildcards, one of which leads back to itself."""
    known = {"colours": [("red", 1.0), ("{light|dark} blue", 2.0)], "loop": [("a __loop__", 1.0)], "c": [("x", 1.0)]}
    if name not in known:
        raise UserError(f"wildcard '{name}' is not known.")
    return known[name]


def read_prompt(text: str) -> None:
    """Everything that is done to a prompt before it is encoded."""
    for part in parse(text).parts:
        part.timeline(20)


def read_template(text: str) -> None:
    """Everything that is done to a dynamic prompt."""
    groups_of(text)
    template = template_of(text, wildcards, {"subject": "an owl"})
    counts = Counts()
    total = counts.of(template)
    for number in {0, total // 2, total - 1} if total else set():
        nth(template, number, counts=counts)
    drawn(template, 0, seed=1, counts=counts)


def read_whole_project(text: str) -> None:
    """Everything that is done to a project before a model is loaded."""
    for small in (False, True) if "[small" in text else (False,):
        project = read_project(text, small=small)
        for item in items_of(project, subjects_of(project.subjects, wildcards=wildcards))[:50]:
            facts = {"number": item.number, "subject": item.subject.label, "seed": item.seed}
            filled("{number:04}-{subject}-{seed}", facts)


READERS: dict[str, tuple[Callable[[Random], str], Callable[[str], None]]] = {
    "prompt": (odd_prompt, read_prompt),
    "dynamic prompt": (odd_prompt, read_template),
    "project": (odd_project, read_whole_project),
}


def fuzz(name: str, count: int, seed: int) -> Counter[str]:
    """How ``count`` odd texts fared: read, refused, slow, or raising what is no UserError (the text is in the key)."""
    make, read = READERS[name]
    rng = Random(f"{name} {seed}")
    found: Counter[str] = Counter()
    for _ in range(count):
        text = make(rng)
        started = time.process_time()
        try:
            read(text)
            found["read"] += 1
        except UserError:
            found["refused"] += 1
        except Exception as error:
            found[f"{type(error).__name__}: {error} on {text!r}"] += 1
        if time.process_time() - started > SLOW_SECONDS:
            found[f"slow: {text!r}"] += 1
    return found


def fuzz_project(name: str, count: int, *, seed: int) -> Fuzzed:
    """The same in the figures of the other parsers; raises AssertionError for a traceback or a hang."""
    make, read = READERS[name]
    return fuzz_odd(read, make, count, seed)


def main() -> None:
    """Feed every reader and say how it went; exit code 1 where anything but UserError was raised, or took long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    bad = 0
    for name in READERS:
        started = time.perf_counter()
        found = fuzz(name, given.count, given.seed)
        odd = {key: many for key, many in found.items() if key not in ("read", "refused")}
        bad += sum(odd.values())
        facts = {"read": found["read"], "refused": found["refused"], "odd": len(odd)}
        print(name, json.dumps(facts), f"{time.perf_counter() - started:.1f} s")
        for key in list(odd)[:5]:
            print("  ", key[:400])
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
