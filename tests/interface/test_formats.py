"""Pictures written as PNG, JPEG, WebP and AVIF: the recipe travels in each, and what can be said of a copy is said."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aldente.store.encodings import read_embedded, read_pixels

LINE = ("generate", "a red apple, 3d render", "--steps", 4, "--seed", 3, "--upscaler", "none")
LOSSY = {"jpeg": ("JPEG", ".jpg", 95), "webp": ("WEBP", ".webp", 90), "avif": ("AVIF", ".avif", 80)}


@pytest.fixture
def original(commands):
    return commands.ok(*LINE, "--out", "exact", "--json").json[0]


def written(commands, *options):
    return Path(commands.ok(*LINE, *options, "--json").json[0]["file"])


@pytest.mark.parametrize("format_", LOSSY)
def test_a_copy_carries_the_recipe_is_known_again_and_is_proven(format_, commands, original):
    name, ending, quality = LOSSY[format_]
    path = written(commands, "--format", format_)
    assert path.suffix == ending
    exact, copy = read_embedded(Path(original["file"])), read_embedded(path)
    assert copy.recipe == exact.recipe
    assert (copy.infotext, copy.model_fingerprint) == (exact.infotext, exact.model_fingerprint)
    assert "trainedAlgorithmicMedia" in copy.xmp
    with Image.open(path) as picture:
        assert picture.format == name
    done = commands.ok("show", path)
    assert f"id:       {original['id']}" in done.out
    assert "keeps pixels only nearly" in done.err
    (known,) = commands.ok("import", path, "--json").json
    assert (known["state"], known["id"]) == ("known", original["id"])
    found = commands("reproduce", path, "--json").json
    assert found["verdict"] == "near"
    assert found["psnr_db"] > 25
    assert found["why"] == [
        f"{name} keeps pixels only nearly",
        f"the picture {original['id'][:8]} in the store, of which it is a copy, is bit-exact",
        f"written as {name} at quality {quality}, the new picture is this one to the last bit",
    ]


@pytest.mark.parametrize("format_", LOSSY)
def test_a_copy_alone_is_enough_to_make_the_picture_again(format_, commands, original):
    path = written(commands, "--format", format_)
    (taken,) = commands.ok("import", path, "--json", store="other.db").json
    assert taken["state"] == "kept"
    record = commands.ok("show", taken["id"], "--json", store="other.db").json[0]
    assert record["provenance"]["imported_as"] == format_
    os.utime(path, (4e9, 4e9))
    commands.ok("import", path, store="later.db")
    for store in ("other.db", "later.db"):
        (again,) = commands.ok(*LINE, "--json", store=store).json
        assert not again["reused"], "a copy was taken for the picture itself"
        assert (again["id"], again["image_hash"]) == (original["id"], original["image_hash"])
        assert commands.ok(*LINE, "--json", store=store).json[0]["reused"]


def test_a_lower_quality_is_smaller_and_farther(commands, original):
    image = read_pixels(Path(original["file"])).astype(int)
    found = {}
    for quality in (30, 95):
        path = written(commands, "--format", "jpg", "--quality", quality, "--out", str(quality))
        found[quality] = (path.stat().st_size, np.abs(read_pixels(path) - image).mean())
    assert found[30][0] < found[95][0]
    assert found[30][1] > found[95][1]


def test_a_file_that_was_changed_since_is_no_copy(commands, original):
    path = written(commands, "--format", "webp")
    with Image.open(path) as picture:
        xmp = picture.info["xmp"]
        Image.fromarray(255 - np.array(picture)).save(path, "WEBP", xmp=xmp, quality=90)
    assert read_embedded(path).recipe_digest == original["recipe_digest"]
    assert "the store does not have it" in commands.ok("show", path).out
    done = commands("reproduce", path, "--json")
    assert done.code == 1
    assert done.json["verdict"] == "different"


def test_upscale_show_and_reproduce_write_the_format_that_is_asked_for(commands, original):
    done = commands.ok("upscale", original["id"], "--by", 2, "--upscaler", "lanczos", "--format", "avif", "--json")
    found = read_embedded(Path(done.json[0]["file"]))
    assert (found.width, found.height) == (128, 128)
    assert [stage.kind for stage in found.recipe.stages] == ["source", "resize"]
    commands.ok("show", original["id"], "--save", "saved.webp")
    commands.ok("reproduce", original["id"], "--out", "again.jpg")
    for path, name in (("saved.webp", "WEBP"), ("again.jpg", "JPEG")):
        with Image.open(path) as picture:
            assert picture.format == name
        assert read_embedded(Path(path)).recipe_digest == original["recipe_digest"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--format", "gif"), "format 'gif' is not known; did you mean 'avif'?"),
        (("--quality", 80), "PNG loses nothing, so it has no quality"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_drawn(options, why, commands):
    done = commands(*LINE, *options)
    assert done.code == 2
    assert why in done.err
    assert commands.model.rows == 0
