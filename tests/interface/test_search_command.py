"""``aldente search``: a small search on the embedded model, going on with it, and what is refused."""

import json
from pathlib import Path

import pytest

PROMPTS = "red apple, 3d render\ncat face, 3d render\nhouse, flat vector\n"
SHORT = (
    "--seeds", "1", "--cfg", "1", "--size", "48x48", "--goal", "draft", "--space", "sampler=dpmpp_2m,euler",
    "--schedule", "karras", "--space", "steps=5,7,10,14",
)  # fmt: skip


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text(PROMPTS)
    return path


def test_a_search_ends_with_a_pick_that_is_proven_kept_and_drawn_with(commands, prompts):
    line = ("search", "--prompts", prompts, *SHORT, "--save-preset", "quick", "--json")
    found = commands.ok(*line).json
    assert set(found["pick"]["settings"]) == {"sampler", "steps"}
    assert found["pick"]["error"] <= 4.0 or not found["within_limits"]
    assert found["proofs"][0]["on"] == "a held-out seed (3 pictures)"
    assert sum(found["calls"].values()) > 3 * 80
    assert found["preset"]["study"] == found["id"]
    assert Path(found["report"]).read_text().startswith("<!DOCTYPE html>")
    assert json.loads(Path("out/search/result.json").read_text())["pick"] == found["pick"]

    commands.model.rows = 0
    same = commands.ok(*line).json
    # The preset that was kept would be one more to begin with; it is the same search all the same.
    assert same["id"] == found["id"]
    assert commands.model.rows == 3 * commands.model.info.rows * 2
    commands.model.rows = 0
    again = commands.ok("search", "--resume", found["id"][:10])
    # The measured speed is all that is drawn a second time.
    assert commands.model.rows == 3 * commands.model.info.rows
    assert found["sentences"][0].split(":")[0] in again.out
    drawn = commands.ok("generate", "a cat", "--preset", "quick", "--size", "48x48", "--seed", "1", "--json").json
    recipe = (drawn[0] if isinstance(drawn, list) else drawn)["recipe"]["sampling"]
    assert recipe["steps"] == found["pick"]["settings"]["steps"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at-least", "best"), "at-least is 'best'; write a share"),
        (("--budget", "lots"), "budget is 'lots'; write it as"),
        (("--max-calls", "0"), "--max-calls is 0; it must be a number above 0"),
        (("--space", "prompt=a,b"), "it cannot vary the prompt"),
        (("--seed", "4"), "leave --seed out"),
        (("--resume", "nothing"), "'nothing' is no search in this store"),
        (("--budget", "10calls"), "a budget of 10 model calls is too small"),
    ],
)
def test_what_cannot_be_searched_is_said(commands, prompts, words, said):
    done = commands("search", "--prompts", prompts, *SHORT, *words)
    assert done.code == 2
    assert said in done.err


def test_a_search_needs_prompts(commands):
    assert "a search needs prompts" in commands("search").err
