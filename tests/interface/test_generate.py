"""``aldente generate``: files that say how they were made, seeds that count, names of other programs, the store."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from aldente.recipe.infotext import parse_infotext
from aldente.store.png import read_image, read_png

QUICK = ("generate", "a red apple, 3d render", "--steps", "3")


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def test_pictures_are_files_with_infotext_and_the_complete_recipe(commands):
    done = commands.ok(*QUICK, "--seed", 42, "-n", 2, "--negative", "grey, blurry", "--cfg", 5, "--out", "here")
    paths = files(Path("here"))
    assert [re.search(r"-(\d+)-", path.name)[1] for path in paths] == ["42", "43"]
    assert all(str(path) in done.out for path in paths)
    assert "2 pictures, at most 12 model calls" in done.err
    said = read_png(paths[0])
    assert read_image(paths[0]).shape == (256, 256, 3)
    assert said.recipe.stages[-1].upscaler == "pastina-4x"
    assert said.recipe.seed == 42
    assert said.recipe.sampling.steps == 3
    assert said.recipe.negative == "grey, blurry"
    assert said.recipe_digest == said.recipe.digest()
    assert "trainedAlgorithmicMedia" in said.xmp
    infotext = parse_infotext(said.infotext)
    assert (infotext.prompt, infotext.negative) == ("a red apple, 3d render", "grey, blurry")
    expected = {"Steps": "3", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "5", "Seed": "42", "Size": "64x64"}
    assert expected.items() <= infotext.fields.items()


def test_a_picture_stays_as_large_as_it_is_drawn_where_that_is_asked(commands):
    commands.ok(*QUICK, "--seed", 42, "--upscaler", "none", "--out", "small")
    (path,) = files(Path("small"))
    assert read_image(path).shape == (64, 64, 3)
    assert [stage.kind for stage in read_png(path).recipe.stages] == ["base"]


def test_a_picture_is_drawn_again_from_a_file_and_enlarged_by_its_verb(commands):
    commands.ok(*QUICK, "--seed", 42, "--upscaler", "none", "--out", "first")
    (source,) = files(Path("first"))
    again = ("--image", source, "--denoise", 0.5, "--upscaler", "none", "--out", "again", "--json")
    done = commands.ok(*QUICK, "--seed", 1, *again)
    (redrawn,) = done.json
    assert [stage["kind"] for stage in redrawn["recipe"]["stages"]] == ["source", "redraw"]
    assert read_image(Path(redrawn["file"])).shape == (64, 64, 3)
    assert redrawn["cost"]["model_calls"] < 6
    (large,) = commands.ok("upscale", source, "--by", 3, "--upscaler", "lanczos", "--out", "large", "--json").json
    assert read_image(Path(large["file"])).shape == (192, 192, 3)
    by_id = commands.ok("upscale", redrawn["id"][:8], "--upscaler", "nearest", "--out", "large", "--json").json
    assert read_image(Path(by_id[0]["file"])).shape == (256, 256, 3)
    missing = commands("upscale", "nowhere.png")
    assert (missing.code, "there is no such file" in missing.err) == (2, True)
    Path("text.png").write_text("no picture")
    unreadable = commands(*QUICK, "--image", "text.png")
    assert (unreadable.code, "cannot be read as a picture" in unreadable.err) == (2, True)


def test_json_is_one_document_of_facts(commands):
    facts = commands.ok(*QUICK, "--seed", 7, "-n", 3, "--json").json
    assert [one["recipe"]["seed"] for one in facts] == [7, 8, 9]
    assert len({one["image_hash"] for one in facts}) == 3
    for one in facts:
        assert read_png(Path(one["file"])).recipe_digest == one["recipe_digest"]
        assert one["cost"]["model_calls"] == 6
        assert one["reused"] is False


def test_a_random_seed_is_said_and_another_one_each_time(commands):
    seeds = []
    for line in ((), ("--seed", "random"), ("--seed", -1), ("--seed=-1",)):
        done = commands.ok(*QUICK, *line, "--json")
        seeds.append(done.json[0]["recipe"]["seed"])
        assert f"seed {seeds[-1]}\n" in done.err
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_the_names_of_other_programs_are_taken_and_ours_are_told(commands):
    line = (
        "generate",
        "a cat",
        "--num-inference-steps",
        2,
        "--guidance_scale=3",
        "--sampler_name",
        "Euler a",
        "--noise-seed=1",
    )
    done = commands.ok(*line, "--json")
    recipe = done.json[0]["recipe"]
    assert recipe["seed"] == 1
    assert recipe["sampling"]["steps"] == 2
    assert recipe["sampling"]["guidance"]["scale"] == 3.0
    assert recipe["sampling"]["sampler"] == "euler_ancestral"
    for theirs, ours in (("num_inference_steps", "steps"), ("guidance_scale", "cfg"), ("sampler_name", "sampler")):
        assert f"note: '{theirs}' is known; our name is '{ours}'." in done.err


@pytest.mark.parametrize(
    ("line", "sampler", "schedule"),
    [
        (("--sampler", "Euler a"), "euler_ancestral", "uniform"),
        (("--sampler", "DPM++ 2M Exponential"), "dpmpp_2m", "exponential"),
        (("--sampler", "Euler", "--scheduler", "karras"), "euler", "karras"),
        (("--sampler", "DPMSolverMultistepScheduler"), "dpmpp_2m", "karras"),
        (("--schedule", "automatic", "--sampler", "dpmpp_2m_sde"), "dpmpp_2m_sde", "exponential"),
    ],
)
def test_a_sampler_brings_its_schedule_unless_one_is_named(line, sampler, schedule, commands):
    sampling = commands.ok(*QUICK, "--seed", 1, *line, "--json").json[0]["recipe"]["sampling"]
    assert (sampling["sampler"], sampling["schedule"]) == (sampler, schedule)


def test_what_the_store_has_is_not_drawn_again_unless_asked(commands):
    first = commands.ok(*QUICK, "--seed", 5, "--out", "one", "--json").json[0]
    commands.model.rows = 0
    done = commands.ok(*QUICK, "--seed", 5, "--out", "two")
    assert commands.model.rows == 0
    assert "from the store" in done.out
    assert "(1 already in the store)" in done.err
    again = commands.ok(*QUICK, "--seed", 5, "--out", "three", "--again", "--json").json[0]
    assert commands.model.rows >= 6
    assert (again["id"], again["image_hash"], again["reused"]) == (first["id"], first["image_hash"], False)
    contents = {path.read_bytes() for folder in ("one", "two", "three") for path in files(Path(folder))}
    assert len(contents) == 1


def test_the_models_alias_is_the_same_picture(commands):
    plain, alias = (commands.ok(*QUICK, "--seed", 5, *more, "--json").json[0] for more in ((), ("--model", "embedded")))
    assert alias["recipe_digest"] == plain["recipe_digest"]
    assert alias["reused"]


def test_a_preset_is_where_the_recipe_starts_and_words_beat_it(commands):
    listed = commands.ok("presets", "--json").json
    preset = next(p for p in listed if {"steps", "cfg"} <= p["settings"].keys())
    recipe = commands.ok("generate", "a cat", "--preset", preset["name"], "--seed", 1, "--steps", 2, "--json").json[0]["recipe"]
    assert recipe["sampling"]["guidance"]["scale"] == preset["settings"]["cfg"]
    assert recipe["sampling"]["steps"] == 2
    assert (recipe["width"], recipe["height"]) == (64, 64)


def test_prompts_of_any_script_survive_the_way_to_the_file_and_back(commands):
    prompt = 'a "red" apple: 苹果 🍎,\nsecond line \\(not\\) & <b> [cat:dog:0.5]'
    facts = commands.ok("generate", prompt, "--steps", 2, "--seed", 1, "--json").json[0]
    said = read_png(Path(facts["file"]))
    assert said.recipe.prompt == prompt
    assert parse_infotext(said.infotext).prompt == prompt
    assert commands.ok("history", "--json").json[0]["recipe"]["prompt"] == prompt


def test_an_empty_prompt_is_a_prompt(commands):
    path = Path(commands.ok("generate", "", "--steps", 2, "--seed", 1, "--json").json[0]["file"])
    assert path.name.startswith("picture-1-")


def test_what_cannot_be_drawn_is_said_with_its_reason_and_the_exit_code_1(commands):
    done = commands(*QUICK, "--seed", 3, "--s-churn", 2)
    assert done.code == 1
    assert "failed: seed 3: sampler 'dpmpp_2m' has no option 's_churn'; it takes none." in done.out
    as_json = commands(*QUICK, "--seed", 3, "--s-churn", 2, "--json")
    assert as_json.code == 1
    assert as_json.json[0]["file"] is None
    assert "s_churn" in as_json.json[0]["failed"]
    assert "s_churn" in commands.ok("history", "--failed").out


def test_a_process_of_its_own_draws_the_same_bits(commands):
    line = (*QUICK, "--seed", 42, "--sampler", "Euler a", "--json")
    here = commands.ok(*line, "--out", "here").json[0]
    process = commands.start(*line, "--again", "--out", "there")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    there = json.loads(out)[0]
    assert there["image_hash"] == here["image_hash"]
    assert there["reused"] is False
    np.testing.assert_array_equal(read_image(Path(there["file"])), read_image(Path(here["file"])))


@pytest.mark.skipif(sys.platform == "win32", reason="there, arguments are always text")
def test_a_prompt_that_is_no_text_is_refused(commands):
    done = commands("generate", b"caf\xe9".decode("utf-8", "surrogateescape"), "--steps", 2)
    assert done.code == 2
    assert "argument 'caf\\udce9' is not UTF-8 text" in done.err
