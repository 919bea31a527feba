"""Stopped and killed in the middle: what is done stays, the rest is drawn later, and nothing shows that it was in two parts."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on Unix")

GRID = ("grid", "a red apple", "--seed", 3, "-x", "cfg=2,3", "-y", "steps=2,3,50", "--sampler", "Heun")
"""Two cells of it take long, so that there is a middle in which the others are done."""
CELLS = 6


def pictures(store: Path) -> int:
    """How many pictures a store has, from outside."""
    if not store.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            return connection.execute("select count(*) from images").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def stop_after(process: subprocess.Popen, store: Path, count: int, sign: signal.Signals) -> tuple[str, str]:
    """Send a signal once so many pictures are kept; what the process said until it ended."""
    deadline = time.monotonic() + 100
    while pictures(store) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    process.send_signal(sign)
    return process.communicate(timeout=60)


def cells(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("grid-*/cells/*.png")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """The cells of the grid, drawn in one go by a process of its own."""
    place = tmp_path_factory.mktemp("whole")
    line = [sys.executable, "-m", "aldente.interface.cli", *map(str, GRID), "--store", "store.db", "--out", "out"]
    subprocess.run(line, check=True, capture_output=True, cwd=place)
    drawn = cells(place / "out")
    assert len(drawn) == CELLS
    return drawn


def test_a_grid_that_is_stopped_leaves_sheets_and_goes_on(commands, whole):
    _, err = stop_after(commands.start(*GRID, "--out", "out"), commands.store, 1, signal.SIGINT)
    kept = pictures(commands.store)
    assert 1 <= kept < CELLS
    assert f"stopped; {CELLS - kept} cells are not drawn yet. The same command" in err
    assert "Traceback" not in err
    assert len(cells(Path("out"))) == kept
    assert list(Path("out").glob("grid-*/sheet-1.png"))
    assert list(Path("out").glob("grid-*/index.html"))
    done = commands.ok(*GRID, "--out", "out")
    assert f"({kept} already in the store)" in done.err
    assert cells(Path("out")) == whole


def test_a_stopped_process_ends_with_130(commands):
    # More than are alive at a time: the first are done while the last have not begun; with a second row the first has its file.
    process = commands.start("generate", "a red apple", "-n", 60, "--seed", 1, "--steps", 4, "--cfg", 1)
    _, err = stop_after(process, commands.store, 2, signal.SIGINT)
    assert process.returncode == 130
    assert "of 60 pictures are kept. The same command with the same seed goes on." in err
    assert "Traceback" not in err
    assert 1 <= len(list(Path("out").glob("*.png"))) < 60


def test_a_grid_that_is_killed_goes_on_to_the_same_bits(commands, whole):
    process = commands.start(*GRID, "--out", "out")
    stop_after(process, commands.store, 1, signal.SIGKILL)
    kept = pictures(commands.store)
    assert 1 <= kept < CELLS
    done = commands.ok(*GRID, "--out", "out")
    assert f"({kept} already in the store)" in done.err
    assert cells(Path("out")) == whole
