"""Run benchmarks: all of them, or those named."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("driver", "pastina", "grid", "identity", "verdicts")
LONG = (
    "presets",
    "checkpoints",
    "runtimes",
    "int8",
    "learned",
    "reuse",
    "claims",
    "folklore",
    "tiles",
    "search",
    "store",
    "kills",
    "fuzz",
)
"""Those that take long and are run only by name."""


def main(names: list[str]) -> None:
    """Run the named benchmarks in turn."""
    for name in names or NAMES:
        if name not in NAMES + LONG:
            sys.exit(f"benchmark '{name}' is not known. Known: {', '.join(NAMES + LONG)}.")
        print(f"== {name}")
        import_module(f"benchmarks.{name}").run()


main(sys.argv[1:])
