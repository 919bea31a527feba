"""Presets: files in, files out; folklore told as folklore; the user's own word wins."""

import json
import tomllib
from contextlib import suppress
from math import floor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_strategies import recipes, values_of

from aldente.engine.errors import UserError
from aldente.recipe.parameters import find_parameter, parameters, text_of
from aldente.recipe.plan import plan_of
from aldente.recipe.presets import Preset, apply, find_preset, folklore, preset_from, read_presets, write_toml
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameters

MEASURED = Preset(
    name="pastina-draft",
    basis="measured",
    settings={"sampler": "dpmpp_2m", "schedule": "karras", "steps": 12, "eta": "unset", "discard_next_to_last": True},
    study="ab" * 32,
    confidence=0.95,
    cost={"calls": 24.0, "seconds": 1.25},
    stale_when=("the weights change", "a \x7f sign"),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def presets(draw):
    chosen = draw(st.lists(st.sampled_from(parameters()), unique=True, max_size=6))
    values = {p.name: draw(values_of(p)) for p in chosen}
    return Preset(
        name=draw(TEXT.filter(bool)),
        summary=draw(TEXT),
        basis=draw(st.sampled_from(["folklore", "measured"])),
        settings={name: text_of(value) if value is None else value for name, value in values.items()},
        cost=draw(st.dictionaries(TEXT, st.floats(0, 1e9), max_size=2)),
        stale_when=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@given(presets())
def test_a_preset_survives_its_files(preset):
    for text in (write_toml([preset]), preset.canonical(), json.dumps({"preset": [preset.model_dump()]})):
        (read,) = read_presets(text)
        assert read == preset
        assert read.digest() == preset.digest()


def test_a_file_holds_many_presets_in_plain_toml():
    text = write_toml([MEASURED, *folklore().values()])
    assert tomllib.loads(text)["preset"][0]["cost"] == {"calls": 24.0, "seconds": 1.25}
    assert read_presets(text) == (MEASURED, *folklore().values())


def test_the_names_of_other_programs_become_ours():
    preset = preset_from(
        {
            "name": "x",
            "basis": "folklore",
            "settings": {"num_inference_steps": 20},
            "bands": {"inference_steps": [15, 25]},
            "alternatives": {"scheduler": ["karras", "simple"]},
            "advisory": {"Resolution": "64x64"},
        }
    )
    assert (preset.settings, preset.bands, preset.advisory) == ({"steps": 20}, {"steps": (15.0, 25.0)}, {"size": "64x64"})
    assert preset.alternatives == {"schedule": ("karras", "simple")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset = ", "the presets cannot be read: Invalid value"),
        ("{", "the presets cannot be read: Expecting property name"),
        ('[[preset]]\nname = "x"', "a preset is not as it must be: basis: Field required"),
        ("preset = 3", "it: Input should be a valid dictionary"),
        ('[[preset]]\nname = "x"\nbasis = "folklore"\nsettings.steps = 0', "steps is 0; it must be a whole number from 1"),
        ('[[preset]]\nname = "x"\nbasis = "folklore"\nalternatives.sampler = ["eluer"]', "did you mean 'euler'"),
        ('[[preset]]\nname = "x"\nbasis = "folklore"\nbands.stepz = [1, 2]', "parameter 'stepz' is not known"),
        ('[[preset]]\nname = "x"\nbasis = "measured"\n' * 2, "preset 'x' is there twice"),
        ('[[preset]]\nname = "x"\nbasis = "measured"\nconfidence = 2', "confidence: Input should be less than or equal to 1"),
    ],
)
def test_a_file_that_is_wrong_is_told_how(text, message):
    with pytest.raises(UserError, match=message):
        read_presets(text)


def test_no_text_breaks_the_reader():
    pieces = [
        "[[preset]]\n",
        'name = "x"\n',
        'basis = "folklore"\n',
        "settings",
        ".steps",
        " = ",
        "5\n",
        "{",
        "}",
        "[",
        '"',
        ":",
        "\n",
    ]
    rng = Random(7)
    for _ in range(3000):
        with suppress(UserError):
            assert all(p.name for p in read_presets("".join(rng.choices(pieces, k=rng.randrange(16)))))
    with pytest.raises(UserError, match="cannot be read"):
        read_presets('{"a":' + "[" * 100_000)


def test_what_the_user_says_beats_the_preset():
    recipe = apply(MEASURED, Recipe(), {"num_inference_steps": "30", "sampler": "Euler a Exponential"})
    sampling = recipe.sampling
    assert (sampling.sampler, sampling.schedule, sampling.steps) == ("euler_ancestral", "exponential", 30)
    assert sampling.discard_next_to_last is True


def test_a_preset_changes_what_it_names_and_nothing_else():
    before = set_parameters(Recipe(prompt="x", seed=5), {"eta": 0.5, "cfg": 3})
    after = apply(MEASURED, before)
    changed = {p.name for p in parameters() if get_parameter(before, p.name) != get_parameter(after, p.name)}
    assert changed == {"steps", "eta", "discard_next_to_last"}


@given(recipes(), st.sampled_from(sorted(folklore())))
def test_every_bundled_preset_can_be_applied_to_every_recipe(recipe, name):
    preset = find_preset(name.upper().replace("-", " "), folklore())
    changed = apply(preset, recipe)
    for setting, value in preset.settings.items():
        if setting != "sampler":
            assert get_parameter(changed, setting) == value
    assert (changed.width, changed.height) == (recipe.width, recipe.height)


def test_an_advised_size_is_taken_where_the_model_can_draw_it():
    draft = folklore()["draft"]
    assert apply(draft, Recipe(), fits=lambda w, h: (w, h) == (512, 512)).width == 512
    assert apply(draft, Recipe(), fits=lambda w, h: w <= 64).width == 64
    assert apply(draft, Recipe(), {"size": "32x16"}, fits=lambda w, h: True).height == 16


def test_folklore_is_marked_as_such_and_takes_the_middle_of_its_bands():
    assert {"draft", "production", "final", "constrained", "baseline", "portrait", "architecture", "art"} <= folklore().keys()
    for preset in folklore().values():
        assert (preset.basis, preset.study, preset.confidence) == ("folklore", None, None)
        assert preset.source
        assert preset.summary
        assert preset.stale_when
        assert "size" not in preset.settings
        for name, (low, high) in preset.bands.items():
            middle = (low + high) / 2
            whole = find_parameter(name).kind == "whole number"
            assert preset.settings[name] == (floor(middle + 0.5) if whole else middle)


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="preset 'portait' is not known; did you mean 'portrait'"):
        find_preset("portait", folklore())


def test_presets_can_be_an_axis():
    known = {name: preset.settings for name, preset in folklore().items()}
    plan = plan_of(Recipe(), ["preset=draft,final"], presets=known)
    assert [c.recipe.sampling.sampler for c in plan.cells()] == ["euler_ancestral", "dpmpp_sde"]
