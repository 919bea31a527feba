"""What is kept: history, show and reproduce, presets; and the lists of names."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aldente.store.png import png_bytes, read_image, read_png

LINE = ("generate", "a red apple, 3d render", "--steps", 3, "--seed", 42, "--upscaler", "none")


@pytest.fixture
def drawn(commands):
    """The facts of one picture."""
    return commands.ok(*LINE, "--json").json[0]


class TestHistory:
    def test_lists_pictures_newest_first_by_page_and_by_what_is_asked(self, commands):
        for seed, words, sampler in ((1, "a cat", "Euler"), (2, "a dog", "Heun"), (3, "two cats", "Heun")):
            commands.ok("generate", words, "--steps", 2, "--seed", seed, "--sampler", sampler)

        def seeds(*line):
            return [record["recipe"]["seed"] for record in commands.ok("history", "--json", *line).json]

        assert seeds() == [3, 2, 1]
        assert seeds("--prompt", "CAT") == [3, 1]
        assert seeds("--sampler", "k_heun") == [3, 2]
        assert seeds("--seed", 2) == [2]
        assert seeds("--steps", 5) == []
        first = commands.ok("history", "--json", "-n", 1).json[0]["id"]
        assert seeds("--before", first) == [2, 1]

    def test_is_a_table_for_people(self, commands, drawn):
        out = commands.ok("history").out
        for word in (drawn["id"][:8], "a red apple, 3d render", "DPM++ 2M Karras", "42", "64x64"):
            assert word in out

    def test_says_how_to_begin_when_there_is_nothing(self, commands):
        assert "Begin with: aldente generate" in commands.ok("history").out


class TestShow:
    def test_tells_all_about_an_id_and_about_its_file(self, commands, drawn):
        for what in (drawn["id"][:8], drawn["file"]):
            out = commands.ok("show", what).out
            for word in ("Steps: 3, Sampler: DPM++ 2M", drawn["id"], drawn["image_hash"], "6 model calls", "onnxruntime"):
                assert word in out
            facts = commands.ok("show", what, "--json").json
            assert [record["id"] for record in facts] == [drawn["id"]]

    def test_tells_what_each_stage_cost(self, commands):
        line = ("generate", "a red apple", "--steps", 2, "--seed", 1, "--upscale-by", 1.5, "--hires-denoise", 0.5)
        one = commands.ok(*line, "--json").json[0]
        cost = next(row for row in commands.ok("show", one["id"]).out.splitlines() if row.startswith("cost:"))
        for stage in one["cost"]["stages"]:
            assert f"{stage['stage']}: {stage['model_calls']} calls, {stage['seconds']:.2f} s" in cost
        assert [stage["stage"] for stage in one["cost"]["stages"]][:3] == ["base", "resize", "refine"]

    def test_saves_the_very_file_and_still_speaks_json(self, commands, drawn):
        done = commands.ok("show", drawn["id"][:8], "--save", "kept/one.png", "--json")
        assert done.json[0]["id"] == drawn["id"]
        assert Path("kept/one.png").read_bytes() == Path(drawn["file"]).read_bytes()

    def test_tells_what_a_foreign_file_holds(self, commands, drawn):
        commands.ok("show", drawn["file"], store="elsewhere.db")
        out = commands.ok("show", drawn["file"], store="elsewhere.db").out
        assert "64x64; the store does not have it" in out
        assert "Steps: 3" in out
        assert (
            commands.ok("show", drawn["file"], "--json", store="elsewhere.db").json["recipe_digest"] == drawn["recipe_digest"]
        )


class TestReproduce:
    @pytest.mark.parametrize("key", ["id", "file"])
    def test_is_bit_exact_by_id_and_by_file(self, key, commands, drawn):
        done = commands.ok("reproduce", drawn[key], "--out", "again.png")
        assert done.out.splitlines() == ["bit-exact", "again.png"]
        assert Path("again.png").read_bytes() == Path(drawn["file"]).read_bytes()

    def test_needs_no_store_that_knows_the_picture(self, commands, drawn):
        done = commands.ok("reproduce", drawn["file"], "--json", store="elsewhere.db")
        assert done.json["verdict"] == "bit-exact"
        assert done.json["id"] == drawn["id"]

    @pytest.mark.parametrize(
        "more",
        [
            ("--rng", "nv", "--sampler", "Euler a"),
            ("--rng", "cpu", "--width", 96),
            ("--variation-seed", 7, "--variation-strength", 0.3, "--negative", "grey"),
            ("--guidance-low", 0.5, "--cfg-rescale", 0.5, "--sampler", "Heun", "--s-churn", 4),
        ],
        ids=str,
    )
    def test_makes_every_kind_of_recipe_again(self, more, commands):
        made = commands.ok(*LINE, *more, "--json").json[0]
        assert commands.ok("reproduce", made["file"], store="elsewhere.db").out == "bit-exact\n"

    def test_reads_the_infotext_of_another_program(self, commands):
        said = "a red apple, 3d render\nSteps: 3, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 64x64"
        there = commands.ok(*LINE, "--rng", "nv", "--json").json[0]
        pixels = read_image(Path(there["file"]))
        Path("a1111.png").write_bytes(png_bytes(pixels, infotext=f"{said}, ENSD: 31337, Version: v1.10.1"))
        assert commands.ok("reproduce", "a1111.png", store="elsewhere.db").out == "bit-exact\n"
        Path("other.png").write_bytes(png_bytes(255 - pixels, infotext=f"{said}, ENSD: 31337, Version: v1.10.1"))
        done = commands("reproduce", "other.png", store="elsewhere.db")
        assert done.code == 1
        assert done.out.startswith("different (")
        assert "'ENSD: 31337' has no counterpart here" in done.out

    def test_says_how_near_a_changed_picture_is(self, commands, drawn):
        source = Path(drawn["file"])
        pixels = read_image(source).copy()
        pixels[0, 0] ^= 1
        recipe = read_png(source).recipe
        Path("near.png").write_bytes(png_bytes(pixels, recipe=recipe, model_fingerprint="0" * 64))
        done = commands.ok("reproduce", "near.png", "--json")
        assert done.json["verdict"] == "near"
        assert 60 < done.json["psnr_db"] < 100
        assert any(why.startswith(f"the model's weights were {'0' * 64} and are ") for why in done.json["why"])
        Path("wide.png").write_bytes(png_bytes(np.concatenate([pixels, pixels], axis=1), recipe=recipe))
        wide = commands("reproduce", "wide.png")
        assert wide.code == 1
        assert "the size was 128x64 and is 64x64" in wide.out

    def test_refuses_a_file_whose_recipe_was_changed(self, commands, drawn):
        with Image.open(drawn["file"]) as picture:
            chunk = json.loads(picture.text["aldente"])
            chunk["recipe"]["seed"] += 1
            info = PngInfo()
            info.add_itxt("aldente", json.dumps(chunk))
            picture.save("changed.png", pnginfo=info)
        done = commands("reproduce", "changed.png")
        assert done.code == 2
        assert "its recipe does not match its digest" in done.err

    def test_refuses_a_picture_that_says_nothing_and_a_sheet(self, commands):
        Image.new("RGB", (64, 64)).save("silent.png")
        done = commands("reproduce", "silent.png")
        assert done.code == 2
        assert "silent.png: the file says nothing about how it was made" in done.err
        sheet = commands.ok("grid", "a cat", "--steps", 2, "--seed", 1, "-x", "cfg=1,2", "--json").json["sheets"][0]
        done = commands("reproduce", sheet)
        assert done.code == 2
        assert "this is a sheet of many pictures; give one of its cells" in done.err

    def test_says_why_a_recipe_cannot_be_drawn_here(self, commands, drawn):
        said = "a cat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 42, Size: {}, Model: {}"
        for size, model, words in (
            ("512x512", "pastina", "width is 512"),
            ("64x64", "dreamshaper_8", "model 'dreamshaper_8' is not known"),
        ):
            Path("far.png").write_bytes(png_bytes(read_image(Path(drawn["file"])), infotext=said.format(size, model)))
            done = commands("reproduce", "far.png", store="elsewhere.db")
            assert done.code == 2
            assert words in done.err


class TestPresets:
    def test_the_folklore_is_listed_as_such(self, commands):
        listed = commands.ok("presets", "--json").json
        assert len(listed) > 5
        assert {preset["basis"] for preset in listed if not preset["name"].startswith("pastina-")} == {"folklore"}
        out = commands.ok("presets").out
        assert all(preset["name"] in out for preset in listed)

    def test_what_is_exported_can_be_added_elsewhere(self, commands):
        Path("mine.toml").write_text(
            '\ufeff[[preset]]\nname = "mine"\nbasis = "folklore"\nsettings.sampler = "Euler a"\n'
            "settings.guidance_scale = 3\nsettings.steps = 2\n",
            encoding="utf-8",
        )
        assert "mine" in commands.ok("presets", "--add", "mine.toml").out
        commands.ok("presets", "mine", "--export", "one.toml")
        commands.ok("presets", "--add", "one.toml", store="elsewhere.db")
        told = [commands.ok("presets", "mine", "--json", store=s).json for s in (None, "elsewhere.db")]
        assert told[0] == told[1]
        assert told[0][0]["settings"]["cfg"] == 3
        recipe = commands.ok("generate", "a cat", "--preset", "Mine", "--seed", 1, "--json").json[0]["recipe"]
        sampling = recipe["sampling"]
        assert (sampling["sampler"], sampling["schedule"], sampling["steps"]) == ("euler_ancestral", "uniform", 2)

    def test_all_of_them_go_to_a_file_and_back(self, commands):
        commands.ok("presets", "--export", "all.toml")
        commands.ok("presets", "--add", "all.toml")
        before = commands.ok("presets", "--json", store="elsewhere.db").json
        assert commands.ok("presets", "--json").json == before


class TestLists:
    def test_samplers_are_told_with_aliases_orders_and_costs(self, commands):
        facts = {info["name"]: info for info in commands.ok("samplers", "--json").json}
        assert facts["heun"]["calls_per_step"] == 2
        assert facts["euler_ancestral"]["title"] == "Euler a"
        assert facts["euler_ancestral"]["stochastic"]
        assert "DPMSolverMultistep" in facts["dpmpp_2m"]["aliases"]
        out = commands.ok("samplers").out
        assert all(name in out for name in facts)

    def test_schedules_are_told_with_aliases_and_options(self, commands):
        facts = {info["name"]: info for info in commands.ok("schedules", "--json").json}
        assert facts["karras"]["options"] == {"rho": 7.0}
        assert "normal" in facts["uniform"]["aliases"]
        out = commands.ok("schedules").out
        assert all(name in out for name in facts)

    def test_models_are_told_with_their_facts(self, commands):
        (facts,) = commands.ok("models", "--json").json
        assert (facts["name"], facts["size_multiple"], len(facts["fingerprint"])) == ("pastina", 16, 64)
        assert "48 to 128 px, multiples of 16" in commands.ok("models").out
