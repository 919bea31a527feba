"""Levels that are written out: one spelling, and errors that say what is wrong."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import checked, recipe_from, set_parameter, set_parameters
from aldente.recipe.sigmas import parse_sigmas, sigmas_text


@pytest.mark.parametrize("text", ["20,2.5,.03", " 20.0, 2.50,0.03, 0 ", "[20, 2.5, 3e-2]", "20;2.5;0.03", "20 2.5 0.03 0.0"])
def test_every_way_of_writing_the_same_levels_is_one_recipe(text):
    recipe = set_parameter(Recipe(), "sigmas", text)
    assert recipe.sampling.sigmas == "20,2.5,0.03"
    assert recipe.digest() == set_parameter(Recipe(), "custom_sigmas", "20,2.5,0.03").digest()


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=40, unique=True))
def test_levels_survive_being_written(levels):
    falling = tuple(sorted(levels, reverse=True))
    assert parse_sigmas(sigmas_text(falling)) == falling
    assert sigmas_text(parse_sigmas(sigmas_text((*falling, 0.0)))) == sigmas_text(falling)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("20,many", "sigmas: 'many' is no noise level; write falling noise levels with commas"),
        ("", "sigmas: '' is no noise level"),
        ("20,,1", "sigmas: '' is no noise level"),
        ("20,-1", "'-1' is no noise level"),
        ("nan", "'nan' is no noise level"),
        ("1,20", "sigmas must fall, but 1 is followed by 20"),
        ("20,20", "sigmas must fall, but 20 is followed by 20"),
        ("0", "sigmas end at 0"),
        ("1e999,1", "they must be finite"),
        (",".join(str(n) for n in range(1001, 0, -1)), "sigmas lists 1001 levels; a run has at most 1000 steps"),
    ],
)
def test_what_is_no_schedule_is_refused(text, words):
    with pytest.raises(UserError, match=re.escape(words)):
        set_parameters(Recipe(), {"sigmas": text})


def test_a_recipe_without_levels_is_the_recipe_it_was():
    assert "sigmas" not in Recipe().canonical()
    assert set_parameter(set_parameter(Recipe(), "sigmas", "9,1"), "sigmas", "unset").digest() == Recipe().digest()


def test_levels_in_a_file_are_brought_into_the_one_spelling():
    recipe = recipe_from({"sampling": {"schedule": "custom", "sigmas": "9.0, 1.0, 0"}})
    assert recipe.sampling.sigmas == "9,1"
    assert checked(recipe) == recipe
