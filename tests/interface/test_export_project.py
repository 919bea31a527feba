"""Pictures exported as a project, which draws them again in a store that has never seen them."""

import tomllib
from pathlib import Path

import pytest

from aldente.recipe.project_file import read_project
from aldente.recipe.project_items import items_of, subjects_of
from aldente.store import open_store
from aldente.testing.store_contract import drawn, failing, recipe

APPLE = ("generate", "a red apple, flat", "--steps", 2, "--upscaler", "none")


def ids(commands, **where):
    return {one["id"]: one["image_hash"] for one in commands.ok("history", "-n", 100, "--json", **where).json}


def exported(commands, *query):
    """What was exported, run in a fresh store: the project's facts."""
    done = commands.ok("export", *query, "--to", "moved/mine.toml", "--json").json
    commands.ok("run", "moved/mine.toml", "--out", "drawn", store="fresh.db")
    return done, tomllib.loads(Path("moved/mine.toml").read_text())


def test_prompts_times_seeds_share_everything_else(commands):
    for prompt in ("a red apple, flat", "a boat, flat"):
        commands.ok("generate", prompt, *APPLE[2:], "--seed", 5, "-n", 2, "--cfg", 3)
    _, facts = exported(commands)
    assert facts["subjects"] == {"prompts": ["a red apple, flat", "a boat, flat"]}
    assert facts["seeds"] == {"policy": "list", "list": [5, 6]}
    assert (facts["settings"]["cfg"], facts["settings"]["steps"]) == (3, 2)
    assert facts["stages"] == [{"kind": "base"}]
    assert ids(commands, store="fresh.db") == ids(commands)


def test_what_differs_is_a_column_and_every_picture_has_its_seed(commands):
    odd = 'say "${subject}" {red|blue}\n(a:1.2), äpfel \\ __fruit__'
    commands.ok("generate", odd, *APPLE[2:], "--seed", 2**64 - 1, "--negative", "blur")
    commands.ok(*APPLE, "--seed", 7, "--sampler", "Euler a", "--eta", 0.5)
    commands.ok(*APPLE, "--seed", 7, "--steps", 3)
    _, facts = exported(commands)
    rows = facts["subjects"]["rows"]
    assert [row["prompt"] for row in rows] == [odd, APPLE[1], APPLE[1]]
    assert [row["seed"] for row in rows] == [str(2**64 - 1), 7, 7]
    assert set(facts["subjects"]["sets"]) == {"negative", "sampler", "schedule", "steps", "eta"}
    assert facts["seeds"] == {"policy": "row"}
    assert ids(commands, store="fresh.db") == ids(commands)


def test_pictures_to_start_from_lie_beside_the_project(commands):
    first = commands.ok(*APPLE, "--seed", 1, "--json").json[0]
    line = ("generate", "an orange, flat", *APPLE[2:], "--image", first["id"], "--denoise")
    commands.ok(*line, 0.5, "--seed", 2)
    commands.ok(*line, 0.5, "--seed", 4)
    done, facts = exported(commands, "has:image")
    (path,) = done["files"][1:]
    assert Path(path).read_bytes() == Path(first["file"]).read_bytes()
    assert facts["stages"][0] == {"kind": "source", "image": str(Path(path).relative_to("moved"))} | facts["stages"][0]
    made = {id_: image for id_, image in ids(commands).items() if id_ != first["id"]}
    assert ids(commands, store="fresh.db") == made


def test_stages_that_differ_are_columns_or_left_out_with_words(commands):
    first = commands.ok(*APPLE, "--seed", 1, "--json").json[0]
    commands.ok("generate", *APPLE[1:4], "--seed", 3, "--upscale-by", 2, "--upscaler", "lanczos")
    commands.ok("generate", *APPLE[1:4], "--seed", 4, "--upscale-by", 3, "--upscaler", "lanczos")
    done, facts = exported(commands, "not seed=1")
    assert "notes" not in done
    assert facts["settings"]["upscaler"] == "lanczos"
    assert [row["upscale_by"] for row in facts["subjects"]["rows"]] == [2, 3]
    assert len(ids(commands, store="fresh.db")) == 2
    Path("twice.toml").write_text(
        '[project]\nname = "twice"\n[subjects]\nprompts = ["a red apple, flat"]\n[settings]\nsteps = 2\n'
        '[[stages]]\nkind = "base"\n' + '[[stages]]\nkind = "resize"\nscale = 2\nupscaler = "lanczos"\n' * 2
    )
    commands.ok("run", "twice.toml", "--out", "twice")
    done = commands.ok("export", "--to", "all.toml", "--json").json
    assert done["pictures"] + len(done["notes"]) == 4
    assert all("its stages differ from those of the others" in note for note in done["notes"])
    assert done["notes"]
    commands.ok("run", "all.toml", "--out", "all", store="other.db")
    assert len(ids(commands, store="other.db")) == done["pictures"]
    assert set(ids(commands, store="other.db")) < set(ids(commands))
    assert f"Left out: {done['notes'][0]}" in Path("all.toml").read_text()
    assert first["id"] in ids(commands)


def test_what_cannot_be_drawn_here_is_left_out_and_nothing_is_written_for_nothing(commands):
    with open_store(str(commands.store)) as store:
        store.save(failing(recipe(9), "out of memory"), None)
        store.save(*drawn(recipe(3).model_copy(update={"model": "elsewhere-v1"})))
    done = commands("export", "has:error or steps>0", "--to", "none.toml")
    assert done.code == 2
    assert "model 'elsewhere-v1' is not known" in done.err
    assert "it failed when it was drawn: out of memory" in done.err
    assert not Path("none.toml").exists()
    commands.ok(*APPLE, "--seed", 1)
    notes = commands.ok("export", "has:error or steps>0", "--to", "some.toml", "--json").json["notes"]
    assert len(notes) == 2


@pytest.mark.parametrize("seed", ["", "-1", "many", str(2**64)])
def test_a_row_without_a_seed_is_refused(seed):
    project = read_project(
        '[project]\nname = "x"\n[seeds]\npolicy = "row"\n[subjects]\nprompt = "${p}"\n'
        f'rows = [{{ p = "a", seed = 7 }}, {{ p = "b", seed = "{seed}" }}]\n'
    )
    with pytest.raises(ValueError, match=r"the column 'seed' of 'b' says"):
        items_of(project, subjects_of(project.subjects))
