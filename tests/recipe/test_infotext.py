"""Infotext: to the letter as A1111 writes it, and read back whoever wrote it."""

import re
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_strategies import recipes

from aldente.engine.errors import UserError
from aldente.recipe.infotext import Infotext, parse_infotext, recipe_from_infotext, to_infotext
from aldente.recipe.parameters import parameters
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameters

HASH = "0123456789abcdef" * 4
REFERENCE = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""How A1111's own reader finds pairs."""

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


def written(recipe, **extras):
    return to_infotext(recipe, model_hash=HASH, version="aldente 0.1.0", extras=extras)


def test_a_recipe_is_written_to_the_letter():
    recipe = set_parameters(
        Recipe(prompt="a cat,\nsitting", negative="blurry"),
        {"sampler": "DPM++ 2M Karras", "seed": 42, "size": "512x512", "model": "v1-5", "rng": "nv"},
    )
    assert written(recipe) == (
        "a cat,\nsitting\n"
        "Negative prompt: blurry\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x512, "
        "Model hash: 0123456789, Model: v1-5, RNG: NV, Version: aldente 0.1.0"
    )


def test_every_field_has_its_place_and_extras_keep_theirs():
    recipe = set_parameters(
        Recipe(),
        {"variation_seed": 3, "variation_strength": 0.5, "clip_skip": 2, "eta": 1, "discard_next_to_last": True, "cfg": 7.25},
    )
    assert written(recipe, Script="X/Y/Z plot", **{"X Values": "5,7", "Note": None, "Same": "Same", "Odd": '"q', "N": 3.0}) == (
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.25, Seed: 0, Size: 64x64, "
        "Model hash: 0123456789, Model: pastina, Variation seed: 3, Variation seed strength: 0.5, Clip skip: 2, RNG: aldente, "
        'Eta: 1, Discard penultimate sigma: True, Script: X/Y/Z plot, X Values: "5,7", Same, Odd: "\\"q", N: 3, '
        "Version: aldente 0.1.0"
    )
    assert "Clip skip" not in written(set_parameters(Recipe(), {"clip_skip": 1}))


@given(recipes())
def test_a_recipe_survives_its_infotext(recipe):
    kept = recipe.model_copy(update={"clip_skip": None if recipe.clip_skip == 1 else recipe.clip_skip})
    kept = kept.model_copy(update={"prompt": plain(recipe.prompt), "negative": plain(recipe.negative)})
    read, unmapped = recipe_from_infotext(written(kept))
    assert read == kept
    assert unmapped == {}


def plain(text):
    """The text as far as the format can carry it: A1111 knows one kind of line end and one kind of 'Negative prompt:' line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "" if re.search(r"^\s*Negative prompt:", text, re.MULTILINE) else text


@settings(max_examples=300)
@given(
    TEXT
    | st.lists(st.sampled_from(["Steps: 3, Seed: 4, Size: 5x5", '"a: b", ', "\n", "x, ", "Negative prompt", ":", " "])).map(
        "".join
    )
)
def test_any_prompt_survives_as_far_as_the_format_allows(text):
    for recipe in (Recipe(prompt=plain(text)), Recipe(prompt="x", negative=text), Recipe(prompt=plain(text), negative="y")):
        said = parse_infotext(written(recipe))
        assert (said.prompt, said.negative) == (recipe.prompt, recipe.negative)
        assert said.fields["Seed"] == "0"


@settings(max_examples=300)
@given(TEXT.filter(lambda text: text == text.strip() and text))
def test_any_value_survives_its_quotes(value):
    said = parse_infotext(written(Recipe(), Odd=value)).fields
    assert said.get("Odd", "Odd") == value


@settings(max_examples=1000)
@given(st.text(st.sampled_from('ab1 _-/:,"\\\té')))
def test_pairs_are_found_where_a1111_finds_them(line):
    tail = ", Aa: 1, Bb: 2, Cc: 3"
    expected = dict(REFERENCE.findall(line.lstrip() + tail))
    read = parse_infotext("prompt\n" + line.lstrip() + tail).fields
    assert read.keys() == expected.keys()
    assert all(read[key] == value for key, value in expected.items() if not value.startswith('"'))


def test_a_picture_of_another_program_is_understood():
    recipe, unmapped = recipe_from_infotext(
        "a (red:1.2) apple\non a table\n"
        "Negative prompt: blurry\nbad hands\n"
        "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.0, Seed: 1234, Size: 512x768, Model hash: 6ce0161689, "
        'Model: v1-5-pruned-emaonly, Clip skip: 2, ENSD: 31337, Lora hashes: "ink: 1234, oil: 5678", Hires upscale: 2, '
        "Hires upscaler: Latent, Denoising strength: 0.6, Version: v1.9.4"
    )
    assert (recipe.prompt, recipe.negative) == ("a (red:1.2) apple\non a table", "blurry\nbad hands")
    said = {p.name: get_parameter(recipe, p.name) for p in parameters()}
    assert (said["steps"], said["sampler"], said["schedule"], said["cfg"]) == (20, "dpmpp_2m", "karras", 7.0)
    assert (said["seed"], said["size"], said["model"], said["clip_skip"]) == (1234, "512x768", "v1-5-pruned-emaonly", 2)
    assert said["rng"] == "nv"
    assert (said["upscale_by"], said["upscaler"], said["hires_denoise"], said["denoise"]) == (2.0, "Latent", 0.6, None)
    assert unmapped == {"ENSD": "31337", "Lora hashes": "ink: 1234, oil: 5678"}


def test_stages_stand_under_the_keys_that_a1111_has_for_them():
    hires = set_parameters(Recipe(), {"upscale_by": 2, "upscaler": "latent", "hires_denoise": 0.6, "hires_steps": 8})
    assert "Hires upscale: 2, Hires upscaler: latent, " in written(hires)
    assert "Denoising strength: 0.6" in written(hires)
    redrawn = set_parameters(Recipe(), {"image": "a" * 64, "denoise": 0.4, "mask": "b" * 64, "upscale_by": 4})
    assert "Denoising rule: sigma, Denoising strength: 0.4, Mask: " in written(redrawn)
    assert "Postprocess upscale by: 4, Postprocess upscaler: lanczos" in written(redrawn)
    controlled = set_parameters(Recipe(), {"control_image": "c" * 64, "control_weight": 0.5})
    assert 'ControlNet 0: "Module: none, Model: canny, Weight: 0.5, ' in written(controlled)
    for recipe in (hires, redrawn, controlled):
        assert recipe_from_infotext(written(recipe)) == (recipe, {})


def test_hires_fix_without_a_strength_has_a1111s():
    recipe, _ = recipe_from_infotext("x\nSteps: 20, Sampler: Euler, Seed: 1, Hires upscale: 1.5, Hires steps: 0")
    assert [stage.kind for stage in recipe.stages] == ["base", "resize", "refine"]
    assert (get_parameter(recipe, "hires_denoise"), get_parameter(recipe, "hires_steps")) == (0.7, None)
    assert get_parameter(recipe, "hires_rule") == "a1111_exact"
    recipe, _ = recipe_from_infotext("x\nSteps: 20, Sampler: Euler, Seed: 1, Hires resize: 640x768, Seed resize from: 512x512")
    assert (get_parameter(recipe, "upscale_width"), get_parameter(recipe, "upscale_height")) == (640, 768)
    assert (get_parameter(recipe, "seed_width"), get_parameter(recipe, "seed_height")) == (512, 512)


def test_a_control_of_another_program_is_named_as_not_understood():
    odd = 'Steps: 1, Seed: 1, Size: 8x8, ControlNet 0: "Module: canny, Model: control_v11p [d14c016b], Weight: much"'
    assert list(recipe_from_infotext(odd)[1]) == ["ControlNet 0"]


@pytest.mark.parametrize(
    ("line", "schedule"),
    [
        ("Sampler: Euler a, ", "uniform"),
        ("Sampler: DPM++ 2M, Schedule type: SGM Uniform, ", "sgm_uniform"),
        ("Sampler: DPM++ 2M, Schedule type: Automatic, ", "karras"),
        ("", "karras"),
    ],
)
def test_a_schedule_that_is_not_named_is_what_a1111_means(line, schedule):
    recipe, _ = recipe_from_infotext(f"x\nSteps: 20, {line}CFG scale: 7, Size: 64x64")
    assert recipe.sampling.schedule == schedule


def test_values_out_of_range_and_unknown_names_are_left_unmapped():
    recipe, unmapped = recipe_from_infotext("x\nSteps: 99999, Sampler: Restart, Seed: -1, Size: 1x1, RNG: GPU, CFG scale: 7")
    assert unmapped == {"Steps": "99999", "Sampler": "Restart", "Seed": "-1", "Size": "1x1"}
    assert recipe.sampling.rng == "nv"
    assert (recipe.sampling.steps, recipe.seed, recipe.width) == (25, 0, 64)


def test_a_text_without_parameters_is_all_prompt():
    assert parse_infotext("a cat\nSteps: 3, Seed: 4") == Infotext(prompt="a cat\nSteps: 3, Seed: 4")
    assert parse_infotext("") == Infotext()
    assert recipe_from_infotext("a cat")[0] == Recipe(prompt="a cat")


def test_broken_quotes_are_read_as_they_stand():
    fields = parse_infotext('Steps: 1, Seed: 2, Ab: "x\\y", Cd: "open, Ef: 3').fields
    assert fields == {"Steps": "1", "Seed": "2", "Ab": '"x\\y"', "Cd": '"open', "Ef": "3"}


def test_a_long_line_takes_no_long_time():
    said = parse_infotext("word " * 200_000 + '"' * 100_000)
    assert len(said.prompt) == 1_100_000


PIECES = [
    "Steps: ",
    "Sampler: ",
    "Euler a",
    "Seed: ",
    "-1",
    "Size: ",
    "5x5",
    "CFG scale: ",
    "1e999",
    "RNG: ",
    ", ",
    "\n",
    '"',
    "\\",
    "Negative prompt:",
]


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    with suppress(UserError):
        recipe, unmapped = recipe_from_infotext(text)
        assert isinstance(recipe, Recipe)
        assert unmapped.items() <= parse_infotext(text).fields.items()


def test_ten_thousand_texts_are_read():
    rng = Random(7)
    for _ in range(10_000):
        text = "".join(rng.choices(PIECES, k=rng.randrange(20)))
        with suppress(UserError):
            recipe, unmapped = recipe_from_infotext(text)
            assert unmapped.keys() <= parse_infotext(text).fields.keys(), recipe
