"""The database at work: queries, marks, diff, lineage, export, import, gc, verify and backup, from the command line."""

import csv
import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aldente.recipe.stages import Redraw, Source
from aldente.store import open_store
from aldente.store.encodings import Metadata, encode
from aldente.store.entries import PresetEntry, StudyEntry
from aldente.store.png import read_image
from aldente.testing.store_contract import drawn, failing, pixels, recipe

A1111 = (
    "a castle, <lora:stone:0.8>\nNegative prompt: blurry\nSteps: 22, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, "
    "Seed: 77, Size: 64x48, Model hash: 6ce0161689, Model: v1-5-pruned, ENSD: 31337, Version: v1.10.1"
)
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 156680208700286, "steps": 20, "cfg": 8.0, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 48, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass bottle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
}  # fmt: skip


@pytest.fixture
def stored(commands):
    """Six pictures, one a minute, and a failure."""
    with open_store(str(commands.store)) as store:
        made = [drawn(recipe(seed, prompt=f"picture {seed}", steps=20 + seed), seed) for seed in range(6)]
        records = store.save_many(made)
        store.save(failing(recipe(99), "out of memory"), None)
    return records


def found(commands, *line):
    return [record["recipe"]["seed"] for record in commands.ok("history", "--json", *line).json]


def foreign(path, **texts):
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_itxt(keyword, text)
    Image.fromarray(pixels(len(texts), 16)).save(path, pnginfo=info)
    return path


class TestQueries:
    def test_are_asked_by_history_with_or_without_quoting_and_joined_with_options(self, commands, stored):
        assert found(commands, "steps>=23 and steps<25") == [4, 3]
        assert found(commands, "steps>=23", "and", "not", 'prompt~"picture 4"') == [5, 3]
        assert found(commands, "steps=21 or steps=25", "--prompt", "picture 1") == [1]
        assert found(commands, "has:error") == [99]
        assert found(commands, 'error~"MEMORY"') == [99]
        assert "is like that" in commands.ok("history", "steps=999").out

    def test_errors_point_at_the_place(self, commands, stored):
        done = commands("history", "steps>=20 and smapler=euler")
        assert done.code == 2
        assert "did you mean 'sampler'?" in done.err
        assert "\n  steps>=20 and smapler=euler\n                ^^^^^^^\n" in done.err


class TestMark:
    def test_tags_ratings_and_notes_are_shown_and_asked_for(self, commands, stored):
        first, second = stored[0].id, stored[1].id[:10]
        out = commands.ok("mark", first, "+hero", "Draft", "--rating", 4, "--note", "the one for the cover").out
        assert out == f"{first[:8]}: tags draft hero; rating 4; note the one for the cover\n"
        commands.ok("mark", first, "-draft", "+Final", "--category", "portrait")
        commands.ok("mark", second, "hero", "--rating", 2)
        assert found(commands, "tag:hero") == [1, 0]
        assert found(commands, "tag:HERO and rating>=4") == [0]
        assert found(commands, "tag:draft") == []
        assert found(commands, "note~cover category=Portrait tag!=draft") == [0]
        assert found(commands, "has:tag has:note") == [0]
        assert found(commands, "not has:rating and steps<24") == [3, 2]
        out = commands.ok("show", first).out
        for line in ("tags:     final hero", "rating:   4", "note:     the one for the cover", "category: portrait"):
            assert line in out
        commands.ok("mark", first, "--rating", 0, "--note", "")
        assert found(commands, "has:rating or has:note") == [1]

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["--rating", 6], "rating is 6; it must be from 1 to 5"),
            (["+two words"], "tag '+two words' cannot be one"),
            (["++"], "tag '++' cannot be one"),
            ([], "nothing to mark"),
        ],
    )
    def test_what_cannot_be_marked_is_refused(self, words, why, commands, stored):
        done = commands("mark", stored[0].id, *words)
        assert done.code == 2
        assert why in done.err


class TestDiff:
    def test_tells_only_what_differs_and_writes_the_map(self, commands, stored):
        done = commands.ok("diff", stored[2].id, stored[3].id, "--json", "--out", "two.html")
        assert {(one["name"], one["a"], one["b"]) for one in done.json["asked"]} == {
            ("Prompt", "picture 2", "picture 3"), ("Seed", "2", "3"), ("Steps", "22", "23")}  # fmt: skip
        assert 5 < done.json["metrics"]["psnr"] < 15
        assert not done.json["identical"]
        page = Path("two.html").read_text()
        assert page.count("data:image/png;base64,") == 3
        assert "<td>picture 2</td>" in page
        assert re.findall(r"https?://[^\"'\s]*", page) == []
        commands.ok("diff", stored[2].id, stored[3].id, "--out", "two.png")
        sheet = read_image(Path("two.png"))
        assert sheet.shape[1] > 24

    def test_one_difference_is_told_as_one(self, commands, stored):
        with open_store(str(commands.store)) as store:
            again = store.save(*drawn(recipe(4, prompt="picture 3", steps=23), 9))
        assert "; 1 parameter differs." in commands.ok("diff", stored[3].id, again.id).out
        assert "; 3 parameters differ." in commands.ok("diff", stored[2].id, stored[3].id).out

    def test_compares_files_and_says_when_they_are_the_same(self, commands, stored):
        commands.ok("show", stored[2].id, "--save", "a.png")
        done = commands.ok("diff", "a.png", stored[2].id)
        assert "the same to the last bit" in done.out
        Path("b.jpg").write_bytes(encode(pixels(5, 32), "jpeg", 90, Metadata(infotext=A1111)))
        out = commands.ok("diff", "a.png", "b.jpg").out
        assert "different sizes" in out
        assert "a castle" in out


class TestLineage:
    def test_is_a_tree_of_parents_makers_and_children(self, commands, stored):
        with open_store(str(commands.store)) as store:
            store.save_study(StudyEntry(id="proof", kind="tune", spec={}, state="finished"))
            store.save_preset(PresetEntry(name="quick", body={"steps": 12}, study="proof"))
            outside = store.keep_file(b"a picture from elsewhere")
            stages = (Source(image=stored[0].file_hash), Redraw.model_validate({"mask": outside}))
            made, png = drawn(recipe(50, prompt="redrawn").model_copy(update={"stages": stages}), 50)
            middle = store.save(made.model_copy(update={"preset": "quick"}), png)
            last = recipe(51, prompt="again").model_copy(update={"stages": (Source(image=middle.file_hash),)})
            below = store.save(*drawn(last, 51))
        assert commands.ok("lineage", middle.id).out.splitlines() == [
            f"picture {middle.id[:8]} 'redrawn' 2026-01-01",
            f"|- made from {stored[0].id[:8]} 'picture 0' 2026-01-01",
            f"|- made from file {outside[:12]}, kept in the store",
            "|- preset quick",
            "|  `- proven by proof, tune, finished, " + time.strftime("%Y-%m-%d", time.gmtime()),
            f"`- became {below.id[:8]} 'again' 2026-01-01",
        ]
        tree = commands.ok("lineage", stored[0].id, "--json").json
        assert tree["branches"][0]["branches"][0]["id"] == below.id
        assert found(commands, f"parent:{stored[0].file_hash[:16]}") == [50]


class TestExport:
    def test_writes_tables_and_a_sheet_of_what_is_asked_for(self, commands, stored):
        commands.ok("mark", stored[4].id, "+hero", "--note", 'with "quotes", and\nlines')
        done = commands.ok("export", "steps>=23", "--to", "some.csv", "--to", "some.jsonl", "--to", "some.png", "--json")
        assert done.json == {"pictures": 3, "files": ["some.csv", "some.jsonl", "some.png"]}
        with Path("some.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["seed"], row["steps"], row["tags"], row["score.clipped"]) for row in rows] == [
            ("5", "25", "", "0.01"), ("4", "24", "hero", "0.01"), ("3", "23", "", "0.01")]  # fmt: skip
        assert rows[1]["note"] == 'with "quotes", and\nlines'
        lines = [json.loads(line) for line in Path("some.jsonl").read_text().splitlines()]
        assert [line["id"] for line in lines] == [record.id for record in stored[:2:-1]]
        with Image.open("some.png") as sheet:
            assert sheet.size[0] > 3 * 8

    def test_writes_parquet_with_whole_seeds(self, commands):
        parquet = pytest.importorskip("pyarrow.parquet")
        with open_store(str(commands.store)) as store:
            store.save_many([drawn(recipe(2**64 - 1), 1), drawn(recipe(3, steps=4), 0)])
        commands.ok("export", "--to", "all.parquet")
        table = parquet.read_table("all.parquet").to_pylist()
        assert [(row["seed"], row["steps"], row["cfg"]) for row in table] == [(2**64 - 1, 25, 5.5), (3, 4, 5.5)]

    def test_refuses_what_it_cannot_write(self, commands, stored):
        assert "did you mean '.csv'" in commands("export", "--to", "x.cvs").err
        assert "is like that" in commands("export", "steps=999", "--to", "x.csv").err
        assert not Path("x.csv").exists()


class TestImport:
    def test_takes_in_pictures_of_other_programs_and_names_what_it_cannot_map(self, commands):
        Path("in").mkdir()
        foreign("in/a1111.png", parameters=A1111)
        Path("in/civitai.jpg").write_bytes(encode(pixels(9, 16), "jpeg", 90, Metadata(infotext=A1111, trained=False)))
        foreign("in/comfy.png", prompt=json.dumps(COMFY), workflow="{}")
        invoke = {"positive_prompt": "a boat", "seed": 5, "steps": 9, "cfg_scale": 4, "scheduler": "dpmpp_2m_k", "width": 64,
                  "height": 64, "model": {"name": "sdxl", "hash": "blake3:1f"}, "seamless_x": True}  # fmt: skip
        foreign("in/invoke.png", invokeai_metadata=json.dumps(invoke), a="1", b="2")
        swarm = {
            "sui_image_params": {"prompt": "a hat", "seed": 8, "steps": 30, "cfgscale": 6, "model": "flux", "loras": ["x"]}
        }
        foreign("in/swarm.png", parameters=json.dumps(swarm), a="1", b="2", c="3")
        Image.new("RGB", (8, 8)).save("in/silent.png")
        Path("in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
        done = commands("import", "in", "--json")
        assert done.code == 1
        by = {Path(one["file"]).name: one for one in done.json}
        assert {name: one["state"] for name, one in by.items()} == {
            "a1111.png": "kept", "civitai.jpg": "kept", "comfy.png": "kept", "invoke.png": "kept", "swarm.png": "kept",
            "silent.png": "silent", "broken.png": "refused"}  # fmt: skip
        assert by["a1111.png"]["unmapped"] == {"ENSD": "31337"}
        assert "damaged in chunk" in by["broken.png"]["why"]
        assert "broken.png" not in by["broken.png"]["why"]  # The line begins with it already.
        assert by["invoke.png"]["unmapped"] == {"seamless_x": "true"}
        assert by["swarm.png"]["unmapped"] == {"loras": '["x"]'}
        comfy = commands.ok("show", by["comfy.png"]["id"], "--json").json[0]
        said = comfy["recipe"]
        assert (said["prompt"], said["negative"], said["model"]) == ("a glass bottle", "watermark", "v1-5.safetensors")
        assert (said["seed"], said["width"], said["height"]) == (156680208700286, 64, 48)
        assert said["sampling"]["sampler"] == "dpmpp_2m"
        assert comfy["provenance"]["program"] == "ComfyUI"
        assert found(commands, "program=A1111 model~v1-5 seed=77") == [77, 77]
        assert found(commands, 'note~"ENSD: 31337"') == [77, 77]
        assert found(commands, "program=InvokeAI schedule=karras") == [5]
        again = {Path(one["file"]).name: one["state"] for one in commands("import", "in", "--json").json}
        assert set(again.values()) == {"known", "silent", "refused"}
        kept = commands.ok("show", by["civitai.jpg"]["id"], "--save", "out.jpg")
        assert Path("out.jpg").read_bytes() == Path("in/civitai.jpg").read_bytes(), kept

    def test_takes_in_our_own_pictures_from_another_store(self, commands, stored):
        commands.ok("show", stored[1].id, "--save", "ours.png")
        done = commands.ok("import", "ours.png", "--json", store="other.db").json[0]
        assert done["id"] == stored[1].id
        assert "by aldente" in commands.ok("import", "ours.png", store="third.db").out

    def test_a_place_that_is_not_there_is_refused(self, commands):
        assert "nowhere: there is no such file or folder" in commands("import", "nowhere").err


class TestUpkeep:
    def folder(self, commands):
        return commands.store.with_name(commands.store.stem + ".files")

    def test_gc_lists_and_removes_only_old_files_that_nothing_needs(self, commands, stored):
        with open_store(str(commands.store)) as store:
            source, lone = store.keep_file(b"a source"), store.keep_file(b"lonely")
            store.save(*drawn(recipe(50).model_copy(update={"stages": (Source(image=source),)}), 9))
            store.thumbnail(stored[0])
        folder = self.folder(commands)
        loose = folder / "aa" / "stray.png"
        loose.parent.mkdir(exist_ok=True)
        loose.write_bytes(b"stray")
        assert commands.ok("gc", "--json").json["paths"] == []
        for path in folder.rglob("*"):
            os.utime(path, (1e9, 1e9))
        kept = f"{lone[:2]}/{lone[2:4]}/{lone}.bin"
        assert set(commands.ok("gc", "--json").json["paths"]) == {kept, "aa/stray.png"}
        assert loose.exists()
        assert "2 files, 0.0 MiB removed" in commands.ok("gc", "--remove").out
        assert not loose.exists()
        assert not (folder / kept).exists()
        assert "all whole" in commands.ok("verify").out
        with open_store(str(commands.store)) as store:
            assert store.read_file(source) == b"a source"
            assert [store.image_bytes(record) for record in stored]

    def test_verify_finds_every_kind_of_damage_and_says_what_to_do(self, commands, stored):
        import sqlite3

        assert "7 pictures, 6 files" in commands.ok("verify").out
        files = sorted(self.folder(commands).glob("??/??/*.png"))
        files[0].unlink()
        content = bytearray(files[1].read_bytes())
        content[40] ^= 1
        files[1].write_bytes(content)
        with sqlite3.connect(commands.store) as database:
            database.execute("UPDATE recipes SET canonical = replace(canonical, '\"seed\":3', '\"seed\":4') WHERE seed = 3")
            database.execute("DELETE FROM catalogue WHERE steps = 21")
        database.close()
        done = commands("verify", "--json")
        assert done.code == 1
        said = sorted(f"{one['where'].split()[0]} {one['what'].split(' (')[0]}" for one in done.json["damage"])
        names = [path.relative_to(self.folder(commands)).as_posix() for path in files[:2]]
        assert {f"file {name}" for name in names} < {one["where"] for one in done.json["damage"]}
        assert said == sorted(
            [
                "file cannot be read",
                "file is damaged: its contents do not match its name",
                "recipe does not match its digest",
                "picture is not in the catalogue",
            ]
        )
        assert all(one["advice"] for one in done.json["damage"])
        assert found(commands, "steps=21") == []
        assert "1 pictures were catalogued again" in commands("verify", "--mend").err
        assert found(commands, "steps=21") == [1]

    def test_a_backup_opens_as_a_store_and_grows_by_what_is_new(self, commands, stored):
        out = commands.ok("backup", "copies").out
        assert out.startswith("6 files")
        copied = commands.ok("history", "--json", store="copies").json
        assert [record["id"] for record in copied] == [record.id for record in stored[::-1]]
        assert "all whole" in commands.ok("verify", store="copies").out
        with open_store(str(commands.store)) as store:
            store.save(*drawn(recipe(70), 9))
        assert commands.ok("backup", "copies", "--json").json["files"] == 7
        shutil.rmtree(self.folder(commands))
        assert len(commands.ok("history", "--json", store="copies").json) == 7
        assert "all whole" in commands.ok("verify", store="copies").out

    def test_a_thumbnail_is_made_once_and_small(self, commands):
        image = np.kron(pixels(1, 16), np.ones((40, 40, 1), dtype=np.uint8))
        with open_store(str(commands.store)) as store:
            record = store.save(*drawn(recipe(1), image=image))
            small = store.thumbnail(record)
            shutil.rmtree(self.folder(commands) / record.file_hash[:2])
            assert store.thumbnail(record) == small
        Path("small.jpg").write_bytes(small)
        with Image.open("small.jpg") as picture:
            assert picture.size == (256, 256)
