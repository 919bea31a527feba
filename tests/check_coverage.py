"""Fail unless every file of the engine and of the recipe room has all its lines and branches tested.

Reads coverage's JSON report: ``python tests/check_coverage.py .coverage.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOMS = ("aldente/engine/", "aldente/recipe/")


def gaps(report: dict[str, Any]) -> list[str]:
    """What is not tested in the rooms, a line for each file; also if the report cannot tell."""
    if not report["meta"]["branch_coverage"]:
        return ["the report was made without branches: set branch = true under [tool.coverage.run]"]
    found = []
    for room in ROOMS:
        files = {path: file for path, file in sorted(report["files"].items()) if room in path.replace("\\", "/")}
        if not files:
            found.append(f"the report has no file of {room}: did the tests run with --cov?")
        found += [f"{path}: {missing}" for path, file in files.items() if (missing := _missing(file))]
    return found


def _missing(file: dict[str, Any]) -> str:
    lines = [f"line {run}" for run in _runs(file["missing_lines"])]
    # Coverage writes the end of a function as the negative of its first line.
    jumps = [f"line {start} -> {end if end > 0 else 'exit'}" for start, end in file["missing_branches"]]
    return ", ".join(lines + jumps)


def _runs(lines: list[int]) -> list[str]:
    """Rising numbers as '3', '5-9'."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and runs[-1][-1] == line - 1:
            runs[-1][1:] = [line]
        else:
            runs.append([line])
    return ["-".join(map(str, run)) for run in runs]


def main(arguments: list[str]) -> int:
    """The exit code: 0 where nothing is missing, 1 where something is, 2 where there is no report to read."""
    if len(arguments) != 1:
        print("usage: python tests/check_coverage.py REPORT.json")
        return 2
    try:
        report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{arguments[0]}: no report of coverage can be read ({error}); run pytest with --cov-report=json:{arguments[0]}")
        return 2
    missing = gaps(report)
    for line in missing:
        print(f"not tested: {line}")
    print(
        "engine and recipe: every line and branch is tested." if not missing else f"{len(missing)} files are not tested whole."
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
