"""``aldente run`` and ``aldente queue`` as users type them; a worker that is killed again and again."""

import json

import pytest
from benchmarks.kills import place_of, trial

PROJECT = """[project]
name = "Two owls"
[subjects]
prompts = ["an owl", "a red owl"]
[settings]
steps = 2
cfg = 3
[small]
subjects = { prompts = ["an owl"] }
"""


@pytest.fixture
def file(commands):
    path = commands.place / "owls.toml"
    path.write_text(PROJECT)
    return path


def test_a_project_runs_and_the_same_line_goes_on(commands, file):
    done = commands.ok("run", file)
    assert "2 of 2 pictures, 8 model calls" in done.out
    assert "at most 8 model calls" in done.err
    rows = commands.model.rows
    again = commands.ok("run", file, "--json").json
    assert commands.model.rows == rows
    assert (again["kept"], again["missing"], again["project"]) == (2, 0, "Two owls")
    assert (commands.place / again["page"]).is_file()


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(commands, file):
    done = commands.ok("run", file, "--dry-run")
    assert "a red owl" in done.out
    assert "2 pictures, at most 8 model calls" in done.err
    assert "on the disk" in done.err
    assert not (commands.place / "out").exists()
    assert commands.ok("run", file, "--dry-run", "--small", "--json").json[0]["prompt"] == "an owl"


def test_bundled_projects_are_listed_and_exported(commands):
    assert "character" in commands.ok("run", "--list").out
    commands.ok("run", "character", "--export", commands.place / "mine.toml")
    assert "[subjects]" in (commands.place / "mine.toml").read_text()
    wrong = commands("run", "charakter")
    assert (wrong.code, "did you mean 'character'" in wrong.err) == (2, True)


def test_faults_name_file_and_line(commands, file):
    file.write_text(PROJECT.replace("steps = 2", "steps = 0"))
    wrong = commands("run", file)
    assert wrong.code == 2
    assert "owls.toml: line 6, settings.steps: steps is 0" in wrong.err


def test_an_a_b_asks_for_a_choice_and_goes_on_with_it(commands, file):
    choices = '[{name = "one", settings = {steps = 1}}, {name = "two", settings = {steps = 2}}]'
    file.write_text(f"{PROJECT}\n[ab]\nsubjects = 1\nchoices = {choices}\n")
    done = commands.ok("run", file)
    assert "--choose NAME (one, two)" in done.out
    assert "2 of 2 pictures, 4 model calls" in commands.ok("run", file, "--choose", "one").out
    assert "did you mean 'one'" in commands("run", file, "--choose", "onne").err


def test_a_gate_that_nothing_passes_ends_with_1(commands, file):
    file.write_text(f'{PROJECT}\n[[gates]]\nsign = "blown"\nat_most = -1\n')
    done = commands("run", file)
    assert done.code == 1
    assert "2 rejected by the gates" in done.out


def test_the_queue_is_filled_ordered_and_drawn(commands, file):
    first, second = (commands.ok("queue", "add", file, "--small", "--json").json["id"] for _ in range(2))
    commands.ok("queue", "move", second[:8], "--first")
    commands.ok("queue", "pause", first[:8])
    assert [job["id"] for job in commands.ok("queue", "list", "--json").json] == [second, first]
    (done,) = commands.ok("queue", "work", "--json").json
    assert (done["id"], done["state"], done["done"]) == (second, "finished", 1)
    commands.ok("queue", "resume", first[:8])
    assert "1/1 an owl: done" in commands.ok("queue", "work").out
    assert "Nothing waits" in commands.ok("queue", "list").out
    assert len(commands.ok("queue", "list", "--all", "--json").json) == 2
    for wrong in (("list2",), ("pause",), ("pause", "zz"), ("move", first)):
        assert commands("queue", *wrong).code == 2


def test_a_job_that_cannot_be_planned_fails_and_the_next_goes_on(commands, file):
    rows = commands.place / "rows.csv"
    rows.write_text("what\nowl\n")
    (commands.place / "csv.toml").write_text('[project]\nname="c"\n[subjects]\ncsv="rows.csv"\nprompt="${what}"')
    commands.ok("queue", "add", commands.place / "csv.toml")
    commands.ok("queue", "add", file, "--small")
    rows.unlink()
    done = commands("queue", "work", "--json")
    assert done.code == 1
    assert [job["state"] for job in json.loads(done.out)] == ["failed", "finished"]


def test_dynamic_prompts_on_the_command_line(commands):
    made = commands.ok(
        "generate", "a {red|blue} owl", "--combinations", "--seed", 3, "--steps", 1, "--upscaler", "none", "--json"
    )
    assert [(one["recipe"]["prompt"], one["recipe"]["seed"]) for one in made.json] == [("a red owl", 3), ("a blue owl", 3)]
    line = (
        "generate",
        "a {red|blue|green} owl",
        "--dynamic",
        "-n",
        4,
        "--seed",
        9,
        "--steps",
        1,
        "--upscaler",
        "none",
        "--json",
    )
    once, twice = ([one["recipe"]["prompt"] for one in commands.ok(*line).json] for _ in range(2))
    assert once == twice
    assert commands("generate", "__nothing__", "--dynamic").code == 2
    plain = commands.ok("generate", "a {red|blue} owl", "--seed", 1, "--steps", 1, "--upscaler", "none", "--json").json
    assert plain[0]["recipe"]["prompt"] == "a {red|blue} owl", "braces are words unless asked"
    grid = commands.ok("grid", "a (red:{0.8-1.2 (+0.2)}) owl", "--dynamic", "--seed", 1, "--steps", 1, "--json").json
    assert grid["cells"] == 3


def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(tmp_path):
    place = place_of(tmp_path, str(tmp_path / "store.db"))
    tally = trial(place, pictures=30, kills=5, steps=12, batch=8, seed=2)
    place.engine.dispose()
    assert tally.fine, tally
    assert tally.kills > 0
