"""A picture of many tiles that is stopped or killed goes on from the tiles that were finished."""

import os
import signal
import sys
import time

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.progress import Progress, TextColumn

from aldente.interface.console import Bar, where
from aldente.render.scene import TileNote

LINE = ("--by", 2, "--tiles", "--tile-denoise", 0.8, "--steps", 40, "--prompt", "a castle, flat", "--upscaler", "lanczos")
WEEK = 7 * 24 * 3600


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[:64, :64]
    path = tmp_path / "picture.png"
    Image.fromarray(np.stack([3 * x, 3 * y, 255 - x - y], axis=2).astype(np.uint8)).save(path)
    return path


def kept(commands) -> list:
    return list((commands.place / "store.files" / "checkpoints").rglob("*.npy"))


def spent(path) -> tuple[float, float]:
    """The model calls and the seconds of a part."""
    with path.open("rb") as file:
        np.load(file)
        asked, seconds = np.load(file)
    return asked, seconds


def run(commands, *line):
    process = commands.start(*line)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def stopped(commands, picture, sign) -> tuple[int, str]:
    """The picture begun and stopped once three turns are finished: how it ended and what it said."""
    process = commands.start("upscale", picture, *LINE)
    deadline = time.monotonic() + 100
    while len(kept(commands)) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on Unix")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_it_goes_on_to_the_same_bits_and_tells_what_it_cost_in_all(commands, picture, sign):
    code, err = stopped(commands, picture, sign)
    if sign == signal.SIGINT:
        assert code == 130
        assert "0 of 1 pictures are kept" in err
        assert "of a picture in tiles, the tiles" in err
    finished = [spent(path) for path in kept(commands)]
    assert len(finished) >= 3
    assert min(asked for asked, _ in finished) >= 9
    assert min(seconds for _, seconds in finished) > 0
    run(commands, "upscale", picture, *LINE)
    assert kept(commands) == []
    (resumed,) = commands.ok("history", "--json").json
    other = commands.place / "other"
    commands.ok("upscale", picture, *LINE, store=other / "store.db")
    (whole,) = commands.ok("history", "--json", store=other / "store.db").json
    calls = [one["cost"]["model_calls"] for one in (resumed, whole)]
    assert calls[0] == calls[1]
    assert sum(asked for asked, _ in finished) < calls[0]
    assert resumed["cost"]["seconds"] > sum(seconds for _, seconds in finished)
    assert resumed["recipe_digest"] == whole["recipe_digest"]
    assert resumed["image_hash"] == whole["image_hash"]


def test_gc_clears_what_nobody_came_back_for(commands):
    commands.ok("history")
    folder = commands.place / "store.files" / "checkpoints"
    for run_, age in (("old", WEEK + 60), ("young", WEEK - 3600)):
        path = folder / run_ / "part.npy"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"1")
        os.utime(path, (time.time() - age,) * 2)
    assert commands.ok("gc", "--json").json["paths"] == ["checkpoints/old/part.npy"]
    assert (folder / "old" / "part.npy").exists()
    commands.ok("gc", "--remove")
    assert sorted(path.name for path in folder.iterdir()) == ["young"]


def test_the_bar_says_which_tile_it_is_at():
    assert where(TileNote(2, 2, 12, 64, 15)) == "tile 12 of 64, turn 3 of 15"
    assert where(TileNote(2, 2, 12, 64, None)) == "tile 12 of 64, turn 3"
    with Progress(TextColumn("{task.description}"), console=Console(quiet=True)) as shown:
        Bar(shown, "enlarging", 9).note(TileNote(1, 0, 4, 9, 2))
        assert shown.tasks[0].description == "enlarging: tile 4 of 9, turn 1 of 2"
