"""Every picture is catalogued with what it is of and how much of it is clipped, and older ones can be measured."""

import pytest

from aldente.quality.table import SIGNS, metric
from aldente.store import open_store
from aldente.store.png import png_bytes, read_image
from aldente.store.record import Cost, picture
from aldente.studio.recognising import Categories, reader_of
from aldente.testing.store_contract import provenance, recipe

QUESTION = 'steps>=20 and sampler~"2M" and category=portrait and clipped<0.01 since 7d'
PORTRAIT = ("generate", "portrait of an old man with a beard", "--steps", 20, "--cfg", 3, "--seed", 5, "--upscaler", "none")


def found(commands, *line):
    return [record["recipe"]["prompt"] for record in commands.ok("history", "--json", *line).json]


def test_the_question_is_understood_before_there_are_pictures(commands):
    assert "No picture" in commands.ok("history", QUESTION).out


def test_what_is_drawn_is_found_by_its_category_and_by_what_is_clipped(commands):
    made = commands.ok(*PORTRAIT, "--json").json[0]
    commands.ok("generate", "a slice of pizza, 3d render", "--steps", 20, "--seed", 5, "--upscaler", "none")
    commands.ok("generate", "", "--steps", 20, "--seed", 5, "--upscaler", "none")
    assert found(commands, "category=portrait") == [PORTRAIT[1]]
    assert found(commands, "category=food") == ["a slice of pizza, 3d render"]
    assert found(commands, "not has:category") == [""]
    record = commands.ok("show", made["id"], "--json").json[0]
    (score,) = record["quality"]
    with open_store(str(commands.store)) as store:
        image = read_image(store.image_bytes(store.get(made["id"])))
    assert (score["metric"], score["value"]) == ("clipped", pytest.approx(metric("clipped").compute(image)))
    assert score["value"] < 0.01, "the question below needs a picture with little clipped"
    assert found(commands, QUESTION) == [PORTRAIT[1]]


def test_a_user_knows_better(commands):
    made = commands.ok(*PORTRAIT, "--json").json[0]
    commands.ok("mark", made["id"], "--category", "face")
    commands.ok("measure", "--signs", "clipped")
    assert found(commands, "category=face") == [PORTRAIT[1]]


def older(commands):
    """A picture as an older version kept it: of no category, not measured."""
    import numpy as np

    image = np.full((16, 16, 3), 255, np.uint8)
    image[4:12, 4:12] = 90
    made = recipe(1, prompt="a hamburger")
    record = picture(made, image, cost=Cost(model_calls=1, seconds=0.1), provenance=provenance())
    with open_store(str(commands.store)) as store:
        return store.save(record, png_bytes(image, recipe=made))


def test_older_pictures_are_measured_when_asked(commands):
    record = older(commands)
    assert found(commands, "category=food") == []
    assert "1 of 1 pictures were measured" in commands.ok("measure", "--signs", "clipped,blown").out
    assert found(commands, "category=food blown<0.01") == ["a hamburger"]
    assert "0 of 1 pictures" in commands.ok("measure", "--signs", "clipped").out
    (one,) = commands.ok("measure", "seed=1", "--json").json
    assert one["id"] == record.id
    assert set(one["signs"]) == {sign.name for sign in SIGNS} - {"clipped", "blown"}
    done = commands("measure", "--signs", "blwon")
    assert done.code == 2
    assert "did you mean 'blown'" in done.err


def test_pictures_of_other_programs_are_measured_as_they_are_taken_in(commands):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a castle on a hill\nSteps: 22, Sampler: Euler a, CFG scale: 6, Seed: 7, Size: 16x16")
    Image.new("RGB", (16, 16), (90, 60, 30)).save("castle.png", pnginfo=info)
    commands.ok("import", "castle.png")
    assert found(commands, "category=architecture clipped=0") == ["a castle on a hill"]


def test_a_prompt_is_read_once_and_by_the_model_itself(commands, loaded, monkeypatch):
    asked = []
    monkeypatch.setattr(type(loaded.sentences), "embed", counting(type(loaded.sentences).embed, asked))
    commands.ok("generate", "a dog, 3d render", "--steps", 1, "--seed", 1, "-n", 3, "--upscaler", "none")
    assert asked == [["a dog, 3d render", "a dog"]]
    assert loaded.sentences._session is loaded._sessions.text


def counting(embed, asked):
    def counted(self, texts):
        asked.append(list(texts))
        return embed(self, texts)

    return counted


@pytest.mark.parametrize("prompt", ["\0", "🍎" * 5000, "(((", "a:b:c, , ,", " , ", "\u202e\ufeff", "<lora:x:1>"])
def test_odd_prompts_have_a_category_or_none_and_never_fail(prompt, loaded):
    assert isinstance(Categories(reader_of(loaded)).of(recipe(1, prompt=prompt)), str | None)
