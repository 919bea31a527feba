"""Every verb that draws works on a checkpoint by its path, and its pictures are drawn again by its name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import build

from aldente.interface.cli import main
from aldente.models.diffusers import Plan, load
from aldente.store.png import read_image, read_png


class Line:
    """The command line on one checkpoint in one store; the checkpoint is loaded once."""

    def __init__(self, folder: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.checkpoint, self._folder, self._capsys = checkpoint, folder, capsys

    def __call__(self, *words: object) -> str:
        self._capsys.readouterr()
        code: object = 0
        try:
            main([*map(str, words), "--store", str(self._folder / "store.db")])
        except SystemExit as stop:
            code = stop.code
        told = self._capsys.readouterr()
        assert code in (0, None), told
        return told.out


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return build("sd1", tmp_path_factory.mktemp("models") / "tiny-sd")


@pytest.fixture(scope="module")
def loaded(place):
    return load(place, plan=Plan())


@pytest.fixture
def line(tmp_path, capsys, monkeypatch, place, loaded):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("ALDENTE_STORE", str(tmp_path / "store.db"))
    monkeypatch.setattr("aldente.models.diffusers.load", lambda *_, **__: loaded)
    monkeypatch.chdir(tmp_path)
    return Line(tmp_path, place, capsys)


def pictures(folder):
    return sorted(Path(folder).glob("*.png"))


def test_generate_and_reproduce(line):
    prompt = "a (red:1.3) apple BREAK a house AND the owl :0.4"
    line("generate", prompt, "--model", line.checkpoint, "--steps", 4, "--seed", 3, "--clip-skip", 2, "--emphasis", "no_norm",
         "-o", "one")  # fmt: skip
    (path,) = pictures("one")
    said = read_png(path)
    assert said.recipe.model == "tiny-sd"
    assert "Model: tiny-sd" in said.infotext
    assert "Emphasis: no_norm" in said.infotext
    assert read_image(path).shape == (64, 64, 3)
    assert "bit-exact" in line("reproduce", path)


def test_img2img_inpainting_and_hires(line):
    line("generate", "a red apple", "--model", line.checkpoint, "--steps", 3, "--seed", 3, "-o", "one")
    (path,) = pictures("one")
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    Image.fromarray(mask).save("mask.png")
    common = ("--model", line.checkpoint, "--steps", 4, "--seed", 4)
    line("generate", "a house", *common, "--image", path, "--denoise", 0.6, "-o", "again")
    line(
        "generate",
        "a house",
        *common,
        "--image",
        path,
        "--mask",
        "mask.png",
        "--denoise",
        0.8,
        "--mask-blur",
        0,
        "-o",
        "filled",
    )
    line("generate", "a house", *common, "--upscale-by", 2, "--hires-denoise", 0.5, "-o", "large")
    before = read_image(path).astype(int)
    again, filled = (read_image(pictures(folder)[0]).astype(int) for folder in ("again", "filled"))
    assert np.abs(again - before).max() > 20
    assert np.array_equal(filled[:16], before[:16])
    assert np.abs(filled - before)[24:40, 24:40].max() > 20
    assert read_image(pictures("large")[0]).shape == (128, 128, 3)


def test_grid(line):
    line("grid", "a red apple", "--model", line.checkpoint, "--seed", 7, "-x", "steps=2,3", "-y", "cfg=1,5", "-o", "sheet")
    assert len(list(Path("sheet").glob("grid-*/sheet-1.png"))) == 1


def test_tune(line):
    Path("prompts.txt").write_text("a red apple\na house\n", encoding="utf-8")
    told = line("tune", "--prompts", "prompts.txt", "--model", line.checkpoint, "--samplers", "Euler Karras",
                "--budget", "2000calls", "--no-cfg-axis", "--seeds", 1, "-o", "tuned", "--json")  # fmt: skip
    assert json.loads(told)
