"""Step caching as users meet it: an axis of grids, fewer calls in the record, a picture that is drawn again the same."""

from pathlib import Path

import numpy as np

from aldente.store.png import read_image, read_png

PROMPT = "red apple, 3d render"
LINE = ("--sampler", "euler", "--schedule", "karras", "--steps", 24, "--cfg", 4, "--seed", 1)


def test_a_threshold_is_an_axis_that_saves_calls(commands):
    done = commands.ok("grid", PROMPT, *LINE, "-x", "step cache=0,0.1,0.3", "--json")
    assert "3 cells: 3 pictures, at most 144 model calls" in done.err
    assert commands.model.rows < 144 - 20
    sheet = Path(done.json["sheets"][0]).parent / "cells"
    pictures = {read_png(path).recipe.sampling.reuse_threshold: read_image(path).astype(float) for path in sheet.glob("*.png")}
    assert set(pictures) == {0.0, 0.1, 0.3}
    near, far = (np.abs(pictures[0.0] - pictures[threshold]).mean() for threshold in (0.1, 0.3))
    assert 0.0 < near < far < 20.0


def test_the_record_tells_what_was_asked_and_the_picture_comes_again(commands):
    (made,) = commands.ok("generate", PROMPT, *LINE, "--reuse-threshold", 0.1, "--json").json
    asked = commands.model.rows
    # A few rows tell how fast the model is.
    assert asked < 48
    again = commands.ok("reproduce", made["file"])
    assert again.out == "bit-exact\n"
    assert 20 < commands.model.rows - asked <= asked


def test_a_study_says_that_it_counts_steps(commands):
    prompts = commands.place / "prompts.txt"
    prompts.write_text(f"{PROMPT}\nowl, 3d render\ncastle, 3d render\n")
    said = commands("tune", "--prompts", prompts, "--reuse-threshold", 0.1, "--budget", "500calls")
    assert said.code != 0
    assert "let a search weigh it" in said.err
