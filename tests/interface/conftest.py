"""The command line in this process, on a store of its own and one loaded model; and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aldente.interface.cli import main
from aldente.models import pastina
from aldente.models.table import find_model

STORELESS = ("samplers", "schedules", "models", "demo")


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Counted:
    """The embedded model, counting the rows that it evaluates; every other word is its own."""

    def __init__(self, model) -> None:
        self._model = model
        self.rows = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def estimate(self, x, levels, conditions):
        self.rows += len(levels)
        return self._model.estimate(x, levels, conditions)


class Commands:
    """``commands("generate", "a cat")`` runs a line on ``store``; ``place`` is where files are meant to go."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str], model: Counted) -> None:
        self.place, self.store, self.model = place, place / "store.db", model
        self._capsys = capsys

    def __call__(self, *line: object, store: Path | str | None = None) -> Done:
        self._capsys.readouterr()
        code = 0
        try:
            main(self.words(line, store))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        captured = self._capsys.readouterr()
        return Done(code=code, out=captured.out, err=captured.err)

    def ok(self, *line: object, **where: Path) -> Done:
        """The same for a line that must go well."""
        done = self(*line, **where)
        assert done.code == 0, done
        return done

    def words(self, line: Sequence[object], store: Path | str | None = None) -> list[str]:
        words = [str(word) for word in line]
        stored = [] if not words or words[0] in STORELESS else ["--store", str(store or self.store)]
        return [*words, *stored]

    def start(self, *line: object) -> subprocess.Popen[str]:
        """The line as a process of its own, which hears Ctrl-C even where the tests themselves run in the background."""
        words = [sys.executable, "-m", "aldente.interface.cli", *self.words(line)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        heard = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, cwd=self.place, env=environment)
        finally:
            signal.signal(signal.SIGINT, heard)


@pytest.fixture(scope="session")
def loaded():
    return pastina.load(2)


@pytest.fixture
def commands(tmp_path, capsys, monkeypatch, loaded) -> Commands:
    model = Counted(loaded)
    monkeypatch.setattr("aldente.studio.workbench.find_model", lambda name: replace(find_model(name), load=lambda _: model))
    monkeypatch.setenv("ALDENTE_STORE", str(tmp_path / "unnamed" / "store.db"))
    monkeypatch.chdir(tmp_path)
    return Commands(tmp_path, capsys, model)
