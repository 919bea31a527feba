"""Kill -9 a worker of the queue at random moments, again and again, and count what the store lost, doubled or left behind.

python -m benchmarks.kills --pictures 200 --kills 50

Set ALDENTE_TEST_POSTGRES to the address of a server to do the same to a store on PostgreSQL.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, create_engine, text

from aldente.store.address import address
from aldente.store.queue import open_queue
from aldente.studio.projects.opening import open_project
from aldente.studio.projects.queueing import enqueue
from benchmarks.measure import save
from benchmarks.server import SERVER, fresh_database

STARTING = 0.2
"""The share of kills that come at a random moment of the start: loading, claiming, planning."""

BATCHES = 1.75
"""After how many batches a worker is killed at most. In seconds a busy machine would let it do nothing, or all."""

PROJECT = """[project]
name = "kills"
batch = {batch}
[subjects]
prompt = "a {{red|green|blue|yellow}} {{apple|owl|castle|burger|fish}}"
dynamic = true
draws = {pictures}
[settings]
steps = {steps}
cfg = 4
[seeds]
policy = "image"
redraws = 1
[[gates]]
sign = "blown"
at_most = 0.5
"""


@dataclass(kw_only=True)
class Tally:
    """What was found, over all kills."""

    kills: int = 0
    wanted_kills: int = 0
    lost: int = 0
    doubled: int = 0
    orphans: int = 0
    damaged: int = 0
    loose_files: int = 0
    pictures: int = 0
    wanted: int = 0
    rows: int = 0
    needed_rows: int = 0
    most_repeated_at_once: float = 0.0
    batch: int = 0
    seconds: float = 0.0
    moments: dict[str, int] = field(default_factory=dict)

    @property
    def fine(self) -> bool:
        """Whether every kill came, nothing was lost, doubled or damaged, all is drawn, and no kill cost more than one batch."""
        clean = not (self.lost or self.doubled or self.orphans or self.damaged)
        done = self.kills == self.wanted_kills and self.pictures >= self.wanted
        return clean and done and self.most_repeated_at_once <= self.batch


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a trial keeps its things: its folder, the database, and the folder of the pictures."""

    folder: Path
    store: str
    engine: Engine
    files: Path

    @property
    def log(self) -> Path:
        """Where workers tell of each call of the model."""
        return self.folder / "rows.log"


def worker(log: Path, store: str) -> None:
    """``aldente queue work`` in this process, with a line in the log for each call of the model: when, and how many rows."""
    from aldente.interface.cli import main
    from aldente.models.table import find_model
    from aldente.studio import workbench

    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Logged:
        def __init__(self, model: Any) -> None:
            self._model = model

        def __getattr__(self, name: str) -> Any:
            return getattr(self._model, name)

        def estimate(self, x: Any, levels: Any, conditions: Any) -> Any:
            os.write(handle, f"{os.getpid()} {len(levels)}\n".encode())
            return self._model.estimate(x, levels, conditions)

    def found(name: str) -> Any:
        entry = find_model(name)
        return replace(entry, load=lambda threads: Logged(entry.load(threads)))

    workbench.find_model = found
    main(["queue", "work", "--store", store])


def trial(place: Place, *, pictures: int, kills: int, steps: int, batch: int, seed: int) -> Tally:
    """One project drawn by workers that are killed so often, and once to its end."""
    rng = Random(seed)
    file = place.folder / "kills.toml"
    file.write_text(PROJECT.format(pictures=pictures, steps=steps, batch=batch))
    with open_queue(place.store) as queue:
        enqueue(queue, open_project(str(file)), out=place.folder / "out", choice=None, priority=0)
    tally = Tally(wanted=pictures, wanted_kills=kills, batch=batch)
    started = time.perf_counter()
    before: set[str] = set()
    while tally.kills < kills:
        process = subprocess.Popen(_command(place), **_quiet())
        # Something must be left for the kills that are still to come.
        batches = BATCHES if pictures - len(before) > 2 * batch else 0.9
        if not _killed(process, place, rng, batches * batch * 2 * steps):
            break
        tally.kills += 1
        after = _saved(place)
        gained = len(after - before)
        tally.lost += len(before - after)
        moment = "drawing" if _rows(place.log, process.pid) else "starting"
        tally.moments[moment] = tally.moments.get(moment, 0) + 1
        drawn_here = _rows(place.log, process.pid) / (2 * steps)
        tally.most_repeated_at_once = max(tally.most_repeated_at_once, drawn_here - gained)
        _check(place, tally)
        before = after
    subprocess.run(_command(place), check=True, **_quiet())
    after = _saved(place)
    tally.lost += len(before - after)
    _check(place, tally)
    _files(place, tally)
    tally.pictures = len(list((place.folder / "out").glob("*.png"))) - 1
    tally.rows = _rows(place.log)
    tally.needed_rows = len(after) * 2 * steps
    tally.seconds = round(time.perf_counter() - started, 1)
    return tally


def _killed(process: subprocess.Popen[bytes], place: Place, rng: Random, most_rows: float) -> bool:
    """Kill a worker while it starts, or once the model has been asked for up to ``most_rows``; whether it was still there."""
    starts = rng.random() < STARTING
    after = 1.0 if starts else rng.uniform(1, most_rows)
    deadline = time.perf_counter() + (rng.uniform(0, 3) if starts else 300)
    while process.poll() is None and _rows(place.log, process.pid) < after and time.perf_counter() < deadline:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.1))
    if process.poll() is not None:
        if process.returncode != 0:
            raise SystemExit(f"the worker ended with {process.returncode} by itself")
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def _command(place: Place) -> list[str]:
    return [sys.executable, "-m", "benchmarks.kills", "--worker", str(place.log), place.store]


def _quiet() -> dict[str, Any]:
    return {"stdout": subprocess.DEVNULL, "env": {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}}


def _ask(place: Place, query: str) -> list[tuple[Any, ...]]:
    with place.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _saved(place: Place) -> set[str]:
    return {row[0] for row in _ask(place, "SELECT id FROM images WHERE failed IS NULL")}


def _rows(log: Path, process: int | None = None) -> int:
    if not log.exists():
        return 0
    lines = [line.split() for line in log.read_text().splitlines()]
    return sum(int(rows) for pid, rows in lines if process is None or int(pid) == process)


def _check(place: Place, tally: Tally) -> None:
    """Rows that should not be: of pictures twice, and those that refer to what is not there."""
    (twice,) = _ask(place, "SELECT count(*) - count(DISTINCT recipe_digest || model_fingerprint) FROM images")[0]
    tally.doubled += twice
    if place.engine.dialect.name == "sqlite":  # PostgreSQL checks this by itself, always.
        tally.orphans += len(_ask(place, "PRAGMA foreign_key_check"))
    unused = "SELECT count(*) FROM files WHERE hash NOT IN (SELECT file_hash FROM images WHERE file_hash IS NOT NULL)"
    tally.orphans += _ask(place, unused)[0][0]
    tally.orphans += _ask(place, "SELECT count(*) FROM images WHERE failed IS NULL AND file_hash IS NULL")[0][0]
    told = [json.loads(row[0])["record"] for row in _ask(place, "SELECT body FROM study_rows")]
    tally.orphans += len(set(told) - _saved(place))


def _files(place: Place, tally: Tally) -> None:
    """Files that are missing or damaged, and those that no row knows: written just before a kill, and harmless."""
    known: Mapping[str, str] = dict(_ask(place, "SELECT path, hash FROM files"))
    for path, digest in known.items():
        found = place.files / path
        whole = found.is_file() and hashlib.sha256(found.read_bytes()).hexdigest() == digest
        tally.damaged += not whole
    there = {path.relative_to(place.files).as_posix() for path in place.files.rglob("*.png")}
    tally.loose_files = len(there - set(known))


def run(pictures: int = 200, kills: int = 50, seed: int = 1) -> bool:
    """Run a trial of each database, print and save how it went; whether nothing was lost, doubled, or repeated too often."""
    figures: dict[str, Any] = {"sqlite": _trial_in("", pictures, kills, seed)}
    if SERVER:
        with fresh_database(SERVER) as (url, version):
            figures["postgresql"] = _trial_in(url, pictures, kills, seed) | {"server": version}
    print(json.dumps(figures, indent=2))
    save("kills", figures)
    return all(each["fine"] for each in figures.values())


def place_of(folder: Path, store: str) -> Place:
    """The place of a trial in ``folder`` whose store has this address."""
    found = address(store)
    return Place(folder=folder, store=store, engine=create_engine(found.url), files=found.folder)


def _trial_in(url: str, pictures: int, kills: int, seed: int) -> dict[str, Any]:
    """What a trial in a database found; without an address, in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder  # Where the files of stores on a server lie.
        store = url or str(Path(folder) / "store.db")
        place = place_of(Path(folder), store)
        tally = trial(place, pictures=pictures, kills=kills, steps=6, batch=8, seed=seed)
        place.engine.dispose()
    return {**asdict(tally), "fine": tally.fine}


def main() -> None:
    """The command line; exit code 1 where something was lost, doubled, orphaned or repeated too often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is not None:
        worker(Path(given.worker[0]), given.worker[1])
        return
    raise SystemExit(0 if run(given.pictures, given.kills, given.seed) else 1)


if __name__ == "__main__":
    main()
