"""A training that is stopped, or killed, goes on by the same command to the bits that it would have had."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aldente.models.checkpoints.hashes import tensor_sha256

pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[1] / "models" / "lora"))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on Unix")

STEPS = 12


def line(folder: Path, out: str) -> tuple[object, ...]:
    few = ("--batch", 1, "--rank", 2, "--save-every", 2, "--rate", "5e-3", "--steps", STEPS)
    return ("train-lora", folder, "--name", "zorbo", "--out", out, *few)


def stop_at(process: subprocess.Popen, out: Path, saved: int, sign: signal.Signals) -> tuple[str, str]:
    """Send a signal once a checkpoint of so many steps, or of more, is there; what the process said."""
    deadline = time.monotonic() + 150
    while steps_kept(out) < saved and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    process.send_signal(sign)
    return process.communicate(timeout=60)


def steps_kept(out: Path) -> int:
    """The steps of the last checkpoint; its state is written after it."""
    if not (out / "state.pt").is_file():
        return 0
    return max((int(path.stem.rpartition("-")[2]) for path in out.glob("zorbo-*.safetensors")), default=0)


def test_a_training_that_is_stopped_and_killed_ends_with_the_bits_of_one_that_was_not(commands, monkeypatch, tmp_path):
    import zorbo

    for variable in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    # Sums over several threads may end in other bits.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = zorbo.write(tmp_path / "pictures", count=2, repeats=2)
    parted, whole = commands.place / "parted", commands.place / "whole"

    process = commands.start(*line(folder, "parted"))
    _, err = stop_at(process, parted, 2, signal.SIGINT)
    assert process.returncode == 130
    assert "stopped; the same command goes on from the last checkpoint." in err
    assert "Traceback" not in err
    after_stop = steps_kept(parted)
    assert 2 <= after_stop < STEPS

    process = commands.start(*line(folder, "parted"))
    _, err = stop_at(process, parted, after_stop + 2, signal.SIGKILL)
    assert f"goes on after step {after_stop}" in err
    assert steps_kept(parted) < STEPS

    for out in ("parted", "whole"):
        process = commands.start(*line(folder, out))
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert ("goes on after step" in err) == (out == "parted")
    assert tensor_sha256(parted / "zorbo.safetensors") == tensor_sha256(whole / "zorbo.safetensors")
