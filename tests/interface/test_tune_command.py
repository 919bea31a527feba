"""``aldente tune``: two prompts, a small budget, and everything that comes of it."""

import json
import re
from pathlib import Path

import pytest

PROMPTS = "\ufeff# fruit and houses\na red apple, 3d render\n\na blue house\na blue house\n"
LINE = (
    *("tune", "--prompts", "prompts.txt", "--goal", "draft", "--samplers", "DPM++ 2M Karras,Euler Karras", "--seeds", 1),
    *("--no-cfg-axis", "--budget", "1300 calls", "--name", "mine", "--out", "t"),
)


@pytest.fixture
def tuned(commands):
    Path("prompts.txt").write_text(PROMPTS, encoding="utf-8")
    return commands.ok(*LINE)


def test_a_study_leaves_a_report_its_figures_and_a_preset_and_is_not_drawn_twice(commands, tuned):
    result = json.loads(Path("t/result.json").read_text(encoding="utf-8"))
    choice = result["choice"]
    assert {curve["sampler"] for curve in result["curves"]} == {"dpmpp_2m", "euler"}
    assert "At most " in tuned.err
    assert all(cut in tuned.err for cut in result["cuts"])
    assert result["calls"] <= 1300
    assert all(sentence in tuned.out for sentence in result["sentences"])

    report = Path("t/report.html").read_text(encoding="utf-8")
    assert report.count("data:image/") > 3
    assert not re.search(r'(?:src|href)="https?:', report)
    assert "a red apple, 3d render" in report
    assert "\ufeff" not in report

    assert {path.name for path in Path("t/tables").iterdir()} == {"settings.csv", "pictures.csv"}
    assert {path.suffix for path in Path("t/figures").iterdir()} == {".svg", ".png"}
    assert result["mode"] == "fast"

    preset = commands.ok("presets", "mine", "--json").json[0]
    assert preset["basis"] == "measured"
    assert preset["goal"] == "draft"
    assert {"sampler", "schedule", "steps", "cfg"} == preset["settings"].keys()
    sampling = commands.ok("generate", "a cat", "--preset", "mine", "--seed", 1, "--json").json[0]["recipe"]["sampling"]
    assert (sampling["sampler"], sampling["steps"]) == (choice["sampler"], choice["steps"])

    # All that is asked of the model the second time is how fast it is.
    before = len(commands.ok("history", "-n", 1000, "--json").json)
    commands.model.rows = 0
    again = commands.ok(*LINE, "--json").json
    assert commands.model.rows <= 2 * 3 * 32
    assert len(commands.ok("history", "-n", 1000, "--json").json) == before
    assert _losses(again) == _losses(result)
    assert again["preset"]["settings"] == preset["settings"]


def _losses(result):
    return [(curve["sampler"], rung["steps"], rung["loss"]) for curve in result["curves"] for rung in curve["rungs"]]


def test_a_guarantee_that_prompts_cannot_give_is_refused_before_anything_is_drawn(commands):
    Path("prompts.txt").write_text(PROMPTS, encoding="utf-8")
    refused = commands("tune", "--guaranteed", "--prompts", "prompts.txt", "--samplers", "Euler Karras", "--out", "t")
    assert refused.code == 2
    assert "2 prompts cannot guarantee anything at 95% confidence" in refused.err
    assert commands.ok("history", "--json").json == []


@pytest.mark.parametrize("confidence", ["0.5", "1", "95"])
def test_a_confidence_that_is_none_is_refused(commands, confidence):
    refused = commands("tune", "--prompts", "prompts.txt", "--confidence", confidence)
    assert refused.code == 2
    assert f"confidence is {confidence}; it must lie between 0.5 and 1, such as 0.95." in refused.err
