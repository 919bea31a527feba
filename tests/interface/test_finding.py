"""advise, lab, diagnose and presets --check as their users type them."""

import json
from pathlib import Path

OWL = "owl, 3d render"


def test_advice_is_told_in_words_and_as_json(commands):
    done = commands.ok("advise", "a portrait of a sailor", "--steps", 100, "--guidance-scale", 20)
    assert "content: portraits and people" in done.out
    assert "preset:  pastina-" in done.out
    assert "steps 100: " in done.out
    assert "buys nothing measurable (plateau at" in done.out
    assert "our name is 'cfg'" in done.err or "'--cfg'" in done.err
    assert "aldente tune" not in done.err, "portraits come measured"
    facts = commands.ok("advise", "a castle", "--json").json
    assert facts["pick"]["basis"] == "measured"
    assert facts["command"].startswith(f"aldente generate 'a castle' --sampler {facts['pick']['settings']['sampler']} ")
    assert commands.model.rows < 400


def test_limits_are_said_and_bad_ones_refused(commands):
    done = commands.ok("advise", "a castle", "--max-memory", 282, "--goal", "draft")
    assert "limit:   282 MB do not hold 64x64: 48x48 is the largest size that fits." in done.out
    assert "--width 48 --height 48" in done.out
    assert commands("advise", "a castle", "--max-seconds", 0).code == 2
    assert "alone takes" in commands("advise", "a castle", "--max-memory", 9).err
    assert commands("advise", "a castle", "--goal", "glory").code == 2


def test_generate_takes_what_is_picked(commands):
    done = commands.ok("generate", OWL, "--preset", "auto", "--seed", 1, "--steps", 5, "--json")
    assert "preset pastina-" in done.err
    assert "(measured)" in done.err
    assert done.json[0]["recipe"]["sampling"]["steps"] == 5
    assert done.json[0]["recipe"]["sampling"]["guidance"]["scale"] == 4.0


def test_a_lab_says_its_cost_and_goes_on_where_it_was(commands):
    line = ("lab", OWL, "--seed", 3, "--steps", 6, "--cfg", 4, "--vary", "cfg=2,8", "--vary", "steps,seed")
    assert "3 parameters: 11 pictures" in commands.ok(*line, "--dry-run").err
    done = commands.ok(*line)
    assert "moves the picture most" in done.out
    page = Path(next(row.split()[-1] for row in done.out.splitlines() if row.startswith("page:")))
    assert "One variable at a time" in page.read_text()
    again = commands.ok(*line, "--json")
    assert "11 already in the store" in again.err
    assert {effect["parameter"] for effect in again.json["effects"]} == {"cfg", "steps", "seed"}
    assert Path(again.json["page"]) == page
    assert commands("lab", OWL, "--vary", "prompt").code == 2


def test_a_picture_is_diagnosed_by_file_and_by_id(commands):
    made = commands.ok("generate", OWL, "--seed", 3, "--steps", 4, "--cfg", 4, "--json").json[0]
    done = commands.ok("diagnose", made["file"])
    assert "Judged beside redraws of its recipe:\n  surely too few steps:" in done.out
    assert "try: aldente generate 'owl, 3d render' --seed 3 --steps" in done.out
    assert commands.ok("diagnose", made["id"], "--json").json["findings"][0]["flaw"] == "too few steps"
    assert "as was asked" in commands.ok("diagnose", made["id"], "--no-redraw").out
    assert commands("diagnose", "nothing.png").code == 2
    sound = commands.ok("generate", OWL, "--seed", 3, "--steps", 28, "--cfg", 4, "--json").json[0]
    assert "No flaw was found" in commands.ok("diagnose", sound["file"]).out


def test_presets_are_checked_and_measured_again(commands, tmp_path):
    assert "pastina-production: " in commands("presets", "--check").out
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("red apple, 3d render\nhamburger, 3d render\nstrawberry, 3d render\n")
    line = (
        "--prompts",
        prompts,
        "--category",
        "food",
        "--goal",
        "draft",
        "--budget",
        "1500calls",
        "--no-cfg-axis",
        "--seeds",
        1,
    )
    tuned = commands.ok("tune", *line, "--samplers", "DPM++ 2M Karras", "--json").json
    assert (tuned["preset"]["name"], tuned["preset"]["category"]) == ("pastina-food-draft", "food")
    name = "pastina-food-draft"
    assert commands.ok("presets", name, "--check").out == f"{name}: nothing that it depends on has changed\n"
    assert "holds:" in commands.ok("presets", name, "--check", "--revalidate").out

    exported = tmp_path / "measured.toml"
    commands.ok("presets", name, "--export", exported)
    changed = exported.read_text().replace('"0.1.0"', '"0.0.1"').replace("pastina-food-draft", "older")
    exported.write_text(changed)
    done = commands("presets", "older", "--add", exported, "--check")
    assert (done.code, done.out) == (1, "older: stale: aldente was 0.0.1 and is 0.1.0\n")
    facts = json.loads(commands("presets", "--check", "--json").out)
    fine = {one["preset"]: one["fine"] for one in facts}
    assert (fine["older"], fine["pastina-food-draft"]) == (False, True)
    assert commands("presets", "draft", "--check").code == 2

    advice = commands.ok("advise", "a doughnut, 3d render", "--goal", "draft", "--json").json
    assert advice["pick"]["preset"] == "pastina-food-draft"


def test_bundled_prompts_serve_a_category(commands):
    assert "no prompts are bundled for category 'texture'" in commands("tune", "--category", "texture").err
    assert "did you mean 'food'" in commands("tune", "--category", "foot").err
    assert "give --prompts FILE, or --category NAME" in commands("tune").err
