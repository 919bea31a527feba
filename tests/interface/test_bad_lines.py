"""Wrong input ends with the exit code 2 and a message that says what to do: no traceback, no picture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

GENERATE = ("generate", "a cat", "--steps", "2", "--seed", "1")
GRID = ("grid", "a cat", "--steps", "2", "--seed", "1")
TUNE = ("tune", "--prompts", "prompts.txt")


@pytest.fixture
def places(tmp_path, commands):
    """Files that are not what they should be."""
    (tmp_path / "prompts.txt").write_text("a red apple\na blue house\n")
    (tmp_path / "nothing.txt").write_text("# no prompt\n\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "garbage").write_text("neither a picture nor a database nor a preset [[[" * 20)
    return tmp_path


LINES = [
    (("generate",), "Missing argument"),
    (("nosuch",), "No such command"),
    ((*GENERATE, "--nosuch", "1"), "No such option"),
    ((*GENERATE, "--steps", "0"), "steps is 0; it must be a whole number from 1 to 1000"),
    ((*GENERATE, "--steps", "many"), "steps is 'many'; it must be a whole number"),
    ((*GENERATE, "--steps", "2.5"), "steps is '2.5'"),
    ((*GENERATE, "--num-inference-steps", "0"), "steps is 0"),
    ((*GENERATE, "--cfg", "nan"), "cfg is 'nan'"),
    ((*GENERATE, "--cfg", "1e400"), "cfg is"),
    ((*GENERATE, "--cfg", "200"), "cfg is 200.0; it must be a number from 0 to 100"),
    ((*GENERATE, "--seed", "-5"), "seed is -5"),
    ((*GENERATE, "--seed", str(2**64 - 1), "-n", "2"), "seed is 18446744073709551616"),
    ((*GENERATE, "--sampler", "eluer"), "did you mean 'euler'"),
    ((*GENERATE, "--sampler", "Euler Karas"), "schedule 'Karas' is not known; did you mean 'karras'"),
    ((*GENERATE, "--schedule", "karas"), "did you mean 'karras'"),
    ((*GENERATE, "--rng", "gpu"), "rng 'gpu' is not known"),
    ((*GENERATE, "--model", "pastino"), "model 'pastino' is not known; did you mean 'pastina'"),
    ((*GENERATE, "--width", "70"), "width is 70; model 'pastina' draws multiples of 16 px from 48 to 128"),
    ((*GENERATE, "--size", "64"), "size is '64'; it must be a width and a height"),
    ((*GENERATE, "--size", "1024x1024"), "width is 1024"),
    ((*GENERATE, "--guidance-low", "5", "--guidance-high", "1"), "guidance_low must not be above guidance_high"),
    ((*GENERATE, "--preset", "drat"), "preset 'drat' is not known"),
    ((*GENERATE, "-n", "0"), "the number of pictures is 0; it must be 1 or more"),
    ((*GENERATE, "--out", "garbage/sub"), "garbage/sub: cannot be written (Not a directory); choose another place"),
    ((*GENERATE, "--out", "garbage"), "garbage: cannot be written (File exists)"),
    (GRID, "a grid needs an axis"),
    ((*GRID, "-x", "cfg"), "names no values"),
    ((*GRID, "-x", "cgf=1,2"), "parameter 'cgf' is not known; did you mean 'cfg'"),
    ((*GRID, "-x", "cfg=a,b"), "cfg is 'a'"),
    ((*GRID, "-x", "cfg="), "has no values"),
    ((*GRID, "-x", "cfg=1,2", "-y", "cfg=3"), "cfg stands on two axes"),
    ((*GRID, "-x", "cfg=1,2 & steps=1,2,3"), "cfg has 2, steps has 3"),
    ((*GRID, "-x", "prompt s/r=zebra,dog"), "'zebra' to look for are not in the prompt"),
    ((*GRID, "-x", 'cfg="5'), "is never closed"),
    ((*GRID, "-x", "steps=1-10000000"), "a range may have"),
    ((*GRID, "-x", "cfg=1-5 (-1)"), "never arrives"),
    ((*GRID, "-x", "preset=drat"), "preset 'drat' is not known"),
    ((*GRID, "-x", "sampler=Euler,eluer"), "did you mean 'euler'"),
    ((*GRID, "-x", "model=pastina,pastino"), "model 'pastino' is not known"),
    ((*GRID, "-x", "cfg=1,2", "--out", "garbage/sub"), "garbage/sub: cannot be written"),
    (("tune",), "--prompts"),
    (("tune", "--prompts", "missing.txt"), "missing.txt: cannot be read (No such file"),
    (("tune", "--prompts", "."), "cannot be read (Is a directory)"),
    (("tune", "--prompts", "nothing.txt"), "nothing.txt has no prompts; write one a line"),
    (("tune", "--prompts", "latin.txt"), "latin.txt: is not UTF-8 text"),
    ((*TUNE, "--held-out", "latin.txt"), "latin.txt: is not UTF-8 text"),
    ((*TUNE, "--goal", "best"), "goal"),
    ((*TUNE, "--budget", ""), "budget is ''; write it as 20000calls, 90s, 5min, 2h or 5credits@2.5/h"),
    ((*TUNE, "--budget", "plenty"), "budget is 'plenty'"),
    ((*TUNE, "--budget", "-5min"), "budget is '-5min'"),
    ((*TUNE, "--budget", "5credits"), "budget is '5credits'"),
    ((*TUNE, "--budget", "5credits@0/h"), "budget is '5credits@0/h'"),
    ((*TUNE, "--budget", "0s"), "budget is '0s'"),
    ((*TUNE, "--budget", "infs"), "budget is 'infs'"),
    ((*TUNE, "--budget", "1e400calls"), "budget is '1e400calls'"),
    ((*TUNE, "--budget", "10calls"), "a budget of 10 model calls is too small"),
    ((*TUNE, "--steps", "20"), "steps is what a study varies"),
    ((*TUNE, "--num-inference-steps", "20"), "steps is what a study varies"),
    ((*TUNE, "--samplers", "eluer"), "did you mean 'euler'"),
    ((*TUNE, "--samplers", "LCM"), "nothing to tune"),
    ((*TUNE, "--seeds", "0"), "seeds"),
    ((*TUNE, "--out", "garbage/sub"), "garbage/sub: cannot be written"),
    (("reproduce", "missing.png"), "missing.png: there is no such file"),
    (("reproduce", "garbage"), "garbage: "),
    (("reproduce", "0123abcd"), "no picture has an id that begins with '0123abcd'"),
    (("reproduce", "zz"), "'zz' is not the id of a picture"),
    (("show", "0123abcd"), "no picture has an id"),
    (("show", "garbage"), "garbage: "),
    (("history", "--sampler", "eluer"), "did you mean 'euler'"),
    (("history", "--limit", "0"), "limit"),
    (("history", "--before", "0123abcd"), "no picture has an id"),
    (("history", "--failed", "--prompt", "cat"), "--failed lists every failure that stands"),
    (("presets", "nosuch"), "preset 'nosuch' is not known"),
    (("presets", "--add", "garbage"), "the presets cannot be read"),
    (("presets", "--add", "missing.toml"), "missing.toml: cannot be read"),
    (("presets", "--export", "garbage/presets.toml"), "garbage/presets.toml: cannot be written"),
]


@pytest.mark.parametrize(("line", "words"), LINES, ids=[" ".join(line)[:70] for line, _ in LINES])
def test_a_bad_line_is_told_what_is_wrong(line, words, places, commands):
    done = commands(*line)
    assert done.code == 2
    assert words in " ".join(done.err.replace("│", " ").split()), done
    assert "Traceback" not in done.err
    assert commands.ok("history").out.startswith("Nothing yet")
    assert not list(places.rglob("*.png"))


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("garbage", "file is not a database"),
        ("garbage/store.db", "its folder cannot be made"),
        ("mysql://localhost/x", "mysql is not supported; a store lives in SQLite or PostgreSQL"),
        ("sqlite://", "would vanish with the process"),
        ("nonsense://", "nonsense is not supported"),
    ],
)
@pytest.mark.parametrize(
    "line", [GENERATE, (*GRID, "-x", "cfg=1,2"), TUNE, ("history",), ("presets",)], ids=lambda line: line[0]
)
def test_a_store_that_cannot_be_used_is_told(line, store, words, places, commands):
    (places / "garbage.db").write_bytes((places / "garbage").read_bytes())
    done = commands(*line, store="garbage.db" if store == "garbage" else store)
    assert done.code == 2
    assert words in done.err
    assert done.out == ""


def test_a_folder_is_a_place_for_a_store(commands, tmp_path):
    (tmp_path / "shelf").mkdir()
    commands.ok(*GENERATE, store="shelf")
    assert len(commands.ok("history", "--json", store="shelf").json) == 1


def test_programs_get_the_error_as_json_too(commands):
    done = commands(*GENERATE, "--sampler", "eluer", "--json")
    assert done.code == 2
    assert "did you mean 'euler'" in json.loads(done.out)["error"]
    assert "did you mean 'euler'" in done.err


def test_every_fault_of_a_line_is_told_at_once(commands):
    done = commands(*GENERATE, "--steps", "0", "--cfg", "-1", "--sampler", "eluer")
    assert all(word in done.err for word in ("steps is 0", "cfg is -1", "did you mean 'euler'"))


def test_a_process_ends_with_the_message_and_no_traceback(tmp_path):
    line = [sys.executable, "-m", "aldente.interface.cli", *GENERATE, "--out", "garbage/sub", "--store", "s.db"]
    (tmp_path / "garbage").touch()
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("aldente: garbage/sub: cannot be written")
    assert "Traceback" not in done.stderr
    assert not list(Path(tmp_path).glob("**/*.png"))
