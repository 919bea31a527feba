"""``aldente grid``: any axes, every cell a file, failures shown, nothing drawn twice."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from aldente.recipe.recipe import Recipe
from aldente.store.png import read_image, read_png

PROMPT = "a red apple, 3d render"
QUICK = ("grid", PROMPT, "--steps", 2, "--seed", 1)


def folder_of(facts) -> Path:
    return Path(facts["page"]).parent


def recipes_of(facts) -> list[Recipe]:
    """The recipes of a grid's cells, from the files that lie in it."""
    return [read_png(path).recipe for path in sorted((folder_of(facts) / "cells").glob("*.png"))]


def test_a_grid_leaves_sheets_cells_a_page_and_its_reading(commands):
    done = commands.ok(*QUICK, "-x", "cfg=2,4", "-y", "steps=2,3,4", "--json")
    facts = done.json
    assert "6 cells: 6 pictures, at most 36 model calls" in done.err
    assert (facts["cells"], facts["missing"], facts["failed"], facts["seed"]) == (6, 0, [], 1)
    assert len(recipes_of(facts)) == 6
    (sheet,) = facts["sheets"]
    with Image.open(sheet) as picture:
        assert min(picture.size) > 2 * 64
        assert 'X Type: CFG scale, X Values: "2, 4"' in picture.text["parameters"]
    page = Path(facts["page"]).read_text(encoding="utf-8")
    assert page.count("<img") >= 6
    reading = json.loads((folder_of(facts) / "reading.json").read_text(encoding="utf-8"))
    assert reading == facts["reading"]
    assert [axis["parameter"] for axis in reading["axes"]] == ["cfg", "steps"]
    assert all(axis["sentence"] for axis in reading["axes"])
    for_people = commands.ok(*QUICK, "-x", "cfg=2,4", "-y", "steps=2,3,4").out
    assert all(axis["sentence"] in for_people for axis in reading["axes"])
    assert f"sheet: {sheet}" in for_people


def test_a_cell_is_the_picture_that_generate_draws(commands):
    facts = commands.ok(*QUICK, "-x", "cfg=2,4", "--json").json
    line = ("generate", PROMPT, "--steps", 2, "--seed", 1, "--cfg", 4, "--upscaler", "none", "--again", "--json")
    alone = commands.ok(*line).json[0]
    cell = next(path for path in (folder_of(facts) / "cells").iterdir() if read_png(path).recipe.sampling.guidance.scale == 4)
    np.testing.assert_array_equal(read_image(cell), read_image(Path(alone["file"])))


def test_axes_in_step_go_together(commands):
    facts = commands.ok(*QUICK, "-x", "cfg=2,4 & steps=2,3", "--json").json
    assert sorted((r.sampling.guidance.scale, r.sampling.steps) for r in recipes_of(facts)) == [(2.0, 2), (4.0, 3)]


def test_four_axes_give_a_sheet_for_each_plane(commands):
    line = ("-x", "cfg=2,4", "-y", "steps=2,3", "-z", "seed=1,2", "-a", "width=64,80")
    facts = commands.ok(*QUICK, *line, "--json").json
    assert facts["cells"] == 16
    assert len(facts["sheets"]) == 4
    assert len({Path(sheet).read_bytes() for sheet in facts["sheets"]}) == 4
    assert len(recipes_of(facts)) == 16


def test_samplers_on_an_axis_bring_their_schedules_unless_one_is_named(commands):
    axis = "sampler=Euler a,DPM++ 2M,DPM++ 2M SDE Karras"
    facts = commands.ok(*QUICK, "-x", axis, "--json").json
    found = {(r.sampling.sampler, r.sampling.schedule) for r in recipes_of(facts)}
    assert found == {("euler_ancestral", "uniform"), ("dpmpp_2m", "karras"), ("dpmpp_2m_sde", "karras")}
    named = commands.ok(*QUICK, "-x", "sampler=Euler a,DPM++ 2M", "--schedule", "exponential", "--json").json
    assert {r.sampling.schedule for r in recipes_of(named)} == {"exponential"}
    crossed = commands.ok(*QUICK, "-x", "sampler=Euler a,DPM++ 2M", "-y", "schedule=beta,simple", "--json").json
    assert len({(r.sampling.sampler, r.sampling.schedule) for r in recipes_of(crossed)}) == 4


def test_words_are_searched_and_replaced(commands):
    facts = commands.ok(*QUICK, "-x", "prompt s/r=red,green,blue", "-y", "prompt s/r=apple,pear", "--json").json
    prompts = {recipe.prompt for recipe in recipes_of(facts)}
    assert prompts == {f"a {colour} {fruit}, 3d render" for colour in ("red", "green", "blue") for fruit in ("apple", "pear")}


def test_presets_stand_on_an_axis(commands):
    names = [preset["name"] for preset in commands.ok("presets", "--json").json if "cfg" in preset["settings"]][:2]
    facts = commands.ok("grid", PROMPT, "--seed", 1, "-x", f"preset={names[0]},{names[1]}", "-y", "steps=2", "--json").json
    scales = {p["settings"]["cfg"] for p in commands.ok("presets", "--json").json if p["name"] in names}
    assert {recipe.sampling.guidance.scale for recipe in recipes_of(facts)} == scales


def test_random_seeds_on_an_axis_are_drawn_and_stay_in_the_plan(commands):
    facts = commands.ok(*QUICK, "-x", "seed=random,-1,7", "--json").json
    seeds = {recipe.seed for recipe in recipes_of(facts)}
    assert len(seeds) == 3
    assert 7 in seeds
    plan = json.loads((folder_of(facts) / "plan.json").read_text(encoding="utf-8"))
    assert {point["settings"][0]["value"] for point in plan["axes"][0]["points"]} == seeds


def test_a_drawn_seed_is_said_before_the_run(commands):
    done = commands.ok("grid", PROMPT, "--steps", 2, "-x", "cfg=2,3", "--json")
    assert done.err.startswith(f"seed {done.json['seed']}\n")


def test_a_failed_cell_is_shown_with_its_reason_and_the_others_are_drawn(commands):
    line = (*QUICK, "-x", "sampler=Euler,DPM++ 2M", "-y", "s_churn=1,5")
    done = commands(*line)
    assert done.code == 1
    assert "failed: Sampler DPM++ 2M, Churn 5: sampler 'dpmpp_2m' has no option 's_churn'" in done.out
    as_json = commands(*line, "--json")
    assert as_json.code == 1
    assert len(as_json.json["failed"]) == 2
    assert all("s_churn" in failed["reason"] for failed in as_json.json["failed"])
    assert len(recipes_of(as_json.json)) == 2
    page = Path(as_json.json["page"]).read_text(encoding="utf-8")
    assert "has no option &#39;s_churn&#39;" in page or "has no option 's_churn'" in page


def test_a_grid_of_failures_alone_is_still_shown(commands):
    done = commands(*QUICK, "-x", "s_churn=1,2", "--json")
    assert done.code == 1
    assert done.json["reading"] is None
    assert len(done.json["failed"]) == 2
    assert Path(done.json["sheets"][0]).is_file()


def test_the_same_grid_again_asks_the_model_for_nothing(commands):
    line = (*QUICK, "-x", "cfg=2,4", "-y", "sampler=Euler,Heun", "--json")
    first = commands.ok(*line, "--out", "one")
    commands.model.rows = 0
    second = commands.ok(*line, "--out", "two")
    assert commands.model.rows == 0
    assert "(4 already in the store), at most 0 model calls" in second.err
    contents = [{path.name: path.read_bytes() for path in folder_of(d.json).rglob("*.png")} for d in (first, second)]
    assert contents[0] == contents[1]


def test_a_larger_grid_draws_only_what_is_new(commands):
    commands.ok(*QUICK, "-x", "cfg=2,4")
    done = commands.ok(*QUICK, "-x", "cfg=2,4,6", "-y", "steps=2", "--json")
    assert "3 pictures (2 already in the store), at most 4 model calls" in done.err


def test_a_dry_run_says_the_cost_and_draws_nothing(commands):
    done = commands.ok(*QUICK, "-x", "cfg=1-30 (+0.5)", "-y", "steps=10-50", "--dry-run")
    assert f"{59 * 41} cells" in done.err
    assert commands.ok("history").out.startswith("Nothing yet")
    assert not Path("out").exists()
