"""The registry of parameters: every name leads home, every text is read, every error helps."""

import re
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_strategies import recipes, values_of

from aldente.engine.errors import UserError
from aldente.recipe.field import parameter
from aldente.recipe.names import RNG_TITLES, canonical_name, combined_title, split_sampler, title_of
from aldente.recipe.parameters import alias_note, find_parameter, names_of, parameters, parameters_of, parse_value, text_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import checked, get_parameter, recipe_from, set_parameter, set_parameters
from aldente.recipe.value import Value


class Odd(Value):
    """Fields that a recipe does not have today."""

    steps: int = 3
    free: float = parameter(0.0, help="Any number.")
    at_most: float = parameter(0.0, le=3, help="A number.")
    named: str = parameter("", name="other", help="A text.")


class Twins(Value):
    """Two parameters of one name."""

    first: int = parameter(0, aliases=("seed",), ge=0, le=1, help="One.")
    second: int = parameter(0, name="SEED", ge=0, le=1, help="Two.")


def test_every_parameter_of_the_recipe_is_in_the_registry_once():
    paths = [p.path for p in parameters()]
    assert len(set(paths)) == len(paths) == 91
    assert {
        "seed",
        "sampling.guidance.scale",
        "stages.0.variation_seed",
        "stages.redraw.mask",
        "controls.0.weight",
        "size",
    } <= set(paths)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("num_inference_steps", "steps"),
        ("inference_steps", "steps"),
        ("sample_steps", "steps"),
        ("guidance_scale", "cfg"),
        ("CFG Scale", "cfg"),
        ("cfgscale", "cfg"),
        ("sampler_name", "sampler"),
        ("scheduler", "schedule"),
        ("Schedule type", "schedule"),
        ("Var. seed", "variation_seed"),
        ("sampling.guidance.scale", "cfg"),
        ("SIZE", "size"),
        ("negative-prompt", "negative"),
    ],
)
def test_a_name_of_any_program_in_any_spelling_finds_its_parameter(name, ours):
    assert find_parameter(name).name == ours


def test_a_parameter_answers_to_its_path_name_label_and_every_alias():
    for known in parameters():
        assert {find_parameter(n) for n in (known.path, known.name, known.label, *known.aliases)} == {known}


def test_other_programs_names_are_noted_and_ours_are_not():
    assert alias_note("num_inference_steps") == "'num_inference_steps' is known; our name is 'steps'."
    assert alias_note("Steps") == alias_note("cfg scale") == ""


@pytest.mark.parametrize(
    ("name", "hint"), [("stepz", " did you mean 'steps'? "), ("guidence_scale", "'cfg'"), ("§", "known; Known: apg")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name, hint):
    with pytest.raises(UserError, match=re.escape(hint)):
        find_parameter(name)


def test_two_parameters_of_one_name_are_refused():
    with pytest.raises(ValueError, match="'SEED' is taken twice"):
        names_of(parameters_of(Twins))


def test_what_is_allowed_is_said_in_words():
    said = {p.name: p.allowed for p in (*parameters(), *parameters_of(Odd))}
    assert said["steps"] == "a whole number from 1 to 1000"
    assert said["width"] == "a whole number from 8 to 16384 px"
    assert said["sigma_min"] == "a number of at least 0 sigma, or unset"
    assert said["discard_next_to_last"] == "true or false, or unset"
    assert said["seed"] == f"a whole number from 0 to {2**64 - 1}"
    assert said["free"] == "a number"
    assert said["at_most"] == "a number of at most 3"
    assert said["other"] == said["prompt"] == "text"


@given(st.data(), st.sampled_from(parameters()))
def test_the_text_of_a_value_is_read_back_as_the_value(data, known):
    value = data.draw(values_of(known))
    read = parse_value(known, text_of(value))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", " 25.0 ", 25),
        ("cfg", "1e-3", 0.001),
        ("cfg", ".5", 0.5),
        ("seed", str(2**64 - 1), 2**64 - 1),
        ("eta", "default", None),
        ("discard_next_to_last", "Yes", True),
        ("size", "512 x 768", "512x768"),
        ("sampler", " Euler a ", "Euler a"),
        ("prompt", " a cat ", " a cat "),
    ],
)
def test_texts_mean_values(name, text, value):
    assert parse_value(find_parameter(name), text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("steps", "2.5"),
        ("steps", "many"),
        ("cfg", "1_000"),
        ("cfg", "nan"),
        ("cfg", "٣"),
        ("discard_next_to_last", "perhaps"),
        ("size", "512"),
    ],
)
def test_a_text_of_the_wrong_kind_is_refused_by_name(name, text):
    with pytest.raises(UserError, match=f"^{name} is '{text}'; it must be "):
        parse_value(find_parameter(name), text)


@given(recipes(), st.data(), st.sampled_from(parameters()))
def test_what_is_set_is_what_is_got_and_nothing_else_changes(recipe, data, known):
    value = data.draw(values_of(known))
    changed = set_parameter(recipe, known.name, value)
    assert get_parameter(changed, known.path) == value
    touched = {known.name, "size"} | ({"width", "height"} if known.name == "size" else set())
    for other in parameters():
        if other.name not in touched:
            before = get_parameter(recipe, other.name)
            absent = before is None and _row(other) == _row(known)
            assert get_parameter(changed, other.name) in ((other.default, None) if absent else (before,))


def _row(parameter):
    """The stage or control that has a parameter: it comes to be, with its defaults, when one of its parameters is set."""
    return parameter.path.split(".")[:2] if parameter.path.startswith(("stages.", "controls.")) else None


def test_a_stage_that_is_set_comes_where_it_belongs():
    recipe = set_parameters(Recipe(), {"tile_steps": 4, "denoise": 0.3, "upscale_by": 2, "extend_top": 16, "hires_cfg": 3})
    assert [stage.kind for stage in recipe.stages] == ["base", "extend", "redraw", "resize", "refine", "tiles"]
    from_file = set_parameters(recipe, {"image": "a" * 64, "variation_seed": 3})
    assert [stage.kind for stage in from_file.stages] == ["source", "extend", "redraw", "resize", "refine", "tiles"]
    assert get_parameter(set_parameter(recipe, "variation_seed", 3), "variation_seed") == 3
    assert get_parameter(set_parameter(set_parameter(recipe, "variation_seed", 3), "image", "b" * 64), "variation_seed") == 3
    assert set_parameter(Recipe(), "hires_prompt", None) == Recipe()
    assert [stage.kind for stage in recipe.up_to(3).stages] == ["base", "extend", "redraw"]
    assert recipe.start == Recipe().start != from_file.start


def test_a_recipe_begins_once():
    with pytest.raises(UserError, match="must begin with a base or a source"):
        recipe_from({"stages": [{"kind": "redraw"}]})
    with pytest.raises(UserError, match="must begin with a base or a source"):
        recipe_from({"stages": [{"kind": "base"}, {"kind": "base"}]})


def test_a_choice_is_one_of_its_values_in_any_spelling():
    assert parse_value(find_parameter("masked_content"), "Latent noise") == "latent_noise"
    with pytest.raises(UserError, match="tile_mode is 'spiral'; it must be one of blend, linear, chess"):
        set_parameter(Recipe(), "tile_mode", "spiral")


@given(recipes())
def test_a_recipe_set_from_the_registry_is_already_checked_unless_bounds_cross(recipe):
    pairs = [("guidance_low", "guidance_high"), ("s_tmin", "s_tmax"), ("sigma_min", "sigma_max"), ("reuse_start", "reuse_end")]
    bounds = [(get_parameter(recipe, low), get_parameter(recipe, high)) for low, high in pairs]
    if any(low is not None and high is not None and low > high for low, high in bounds):
        with pytest.raises(UserError, match="must not be above"):
            checked(recipe)
    else:
        assert checked(recipe) == recipe


def test_a_combined_name_sets_sampler_and_schedule():
    recipe = set_parameter(Recipe(), "sampler_name", "DPM++ 2M SDE Exponential")
    assert (recipe.sampling.sampler, recipe.sampling.schedule) == ("dpmpp_2m_sde", "exponential")


def test_any_spelling_of_a_registry_has_one_name():
    assert canonical_name("sampler", "EulerAncestralDiscreteScheduler") == "euler_ancestral"
    assert canonical_name("schedule", "SGM Uniform") == "sgm_uniform"
    assert canonical_name("rng", "CPU") == "cpu"
    assert canonical_name("model", "My Model") == "My Model"


def test_a_schedule_that_is_named_beats_one_that_is_implied():
    recipe = set_parameters(Recipe(), {"scheduler": "exponential", "sampler": "Euler Karras", "width": 8, "size": "64x32"})
    assert recipe.sampling.schedule == "exponential"
    assert (recipe.width, recipe.height) == (8, 32)


def test_the_automatic_schedule_is_the_one_usual_with_the_sampler():
    usual = {"dpmpp_2m": "karras", "dpmpp_3m_sde": "exponential", "euler": "uniform"}
    for sampler, schedule in usual.items():
        recipe = set_parameters(Recipe(), {"schedule": "Automatic", "sampler": sampler})
        assert recipe.sampling.schedule == schedule


@given(st.sampled_from(["sampler", "schedule", "rng", "model", None]), st.data())
def test_every_title_leads_back_to_its_name(choices, data):
    if choices is None:
        assert title_of(None, "a cat") == "a cat"
        return
    known = find_parameter(choices)
    name = data.draw(values_of(known))
    assert get_parameter(set_parameter(Recipe(), choices, title_of(choices, name)), choices) == name
    assert title_of("rng", "nv") == RNG_TITLES["nv"] == "NV"


@given(values_of(find_parameter("sampler")), values_of(find_parameter("schedule")))
def test_every_combined_title_leads_back_to_sampler_and_schedule(sampler, schedule):
    title = f"{title_of('sampler', sampler)} {title_of('schedule', schedule)}"
    assert split_sampler(title) == (sampler, schedule)
    assert combined_title(title) == title


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps is 0; it must be a whole number from 1 to 1000."),
        ("sample_steps", 1001, "steps is 1001; it must be .* our name is 'steps'."),
        ("cfg", inf, "cfg is inf; it must be a number from 0 to 100."),
        ("seed", -1, "seed is -1; it must be a whole number from 0"),
        ("seed", None, "seed is None; it must be"),
        ("size", 512, "size is 512; it must be a width and a height in px, such as 512x768."),
        ("size", "4x8", "width is 4; it must be a whole number from 8 to 16384 px."),
        ("sampler", "eluer", "sampler 'eluer' is not known; did you mean 'euler'?"),
        ("sampler", 3, "sampler is 3; it must be text."),
        ("schedule", "karas", "schedule 'karas' is not known; did you mean 'karras'?"),
        ("rng", "gpu", "rng 'gpu' is not known; .*Known: aldente, cpu, nv."),
        ("variation_strength", 1.5, "variation_strength is 1.5; it must be a number from 0 to 1, or unset."),
        ("prompt", 7, "prompt is 7; it must be text."),
        ("steps", "9" * 30, "steps is 9{30}; it must be"),
        ("cfg", "x" * 200, r"cfg is 'x{76}\.\.\.; it must be"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(name, value, message):
    with pytest.raises(UserError, match=message):
        set_parameter(Recipe(), name, value)


def test_all_faults_are_listed_at_once():
    with pytest.raises(UserError) as caught:
        set_parameters(Recipe(), {"steps": 0, "stepz": 3, "cfg": 7, "sampler": "eluer"})
    lines = str(caught.value).splitlines()
    assert [line.split(" is ")[0] for line in lines] == ["sampler 'eluer'", "steps", "parameter 'stepz'"]


def test_a_recipe_from_facts_has_its_names_in_one_spelling():
    recipe = recipe_from({"prompt": "x", "sampling": {"sampler": "Euler a", "schedule": "Karras", "rng": "NV"}})
    assert (recipe.sampling.sampler, recipe.sampling.rng) == ("euler_ancestral", "nv")


def test_the_faults_of_facts_are_told_by_place():
    facts = {"steps": 3, "seed": -1, "zebra": 1, "sampling": {"num_inference_steps": 5, "guidance": {"scale": "high"}}}
    with pytest.raises(UserError) as caught:
        recipe_from(facts)
    lines = sorted(str(caught.value).splitlines())
    assert lines == [
        "cfg is 'high'; it must be a number from 0 to 100.",
        "sampling.num_inference_steps: extra inputs are not permitted. 'num_inference_steps' is known; our name is 'steps'.",
        f"seed is -1; it must be a whole number from 0 to {2**64 - 1}.",
        "steps: extra inputs are not permitted.",
        "zebra: extra inputs are not permitted.",
    ]


def test_bounds_that_cross_and_unknown_names_are_found_when_checked():
    recipe = set_parameters(Recipe(), {"sigma_min": 5, "sigma_max": 3.5, "guidance_low": 1, "guidance_high": 2})
    wrong = recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update={"sampler": "eluer"})})
    with pytest.raises(UserError) as caught:
        checked(wrong)
    first, second = str(caught.value).splitlines()
    assert first.startswith("sampler 'eluer' is not known")
    assert second == "sigma_min is 5 and sigma_max is 3.5; sigma_min must not be above sigma_max."


def test_half_a_surrogate_pair_has_a_digest_too():
    assert Recipe(prompt="\ud800").digest() != Recipe(prompt="\ud801").digest()


@given(recipes())
def test_a_digest_is_the_identity_of_a_recipe(recipe):
    again = Recipe.model_validate_json(recipe.canonical())
    assert again == recipe
    assert again.digest() == recipe.digest()
    other = set_parameter(recipe, "seed", (recipe.seed + 1) % 2**64)
    assert other.digest() != recipe.digest()


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "dpmpp_2m_adaptive", "DPM adaptive"])
def test_auto_steps_are_those_of_a_sampler_that_chooses_them(sampler):
    recipe = set_parameters(Recipe(), {"steps": " Auto ", "sampler": sampler})
    assert recipe.sampling.sampler in ("dpmpp_2m_adaptive", "dpm_adaptive")
    assert recipe.sampling.steps == Recipe().sampling.steps


def test_auto_steps_of_a_sampler_that_cannot_choose_them_are_refused():
    with pytest.raises(
        UserError, match="steps is 'auto', but sampler 'euler' cannot choose them; set the sampler to one of: dpmpp_2m"
    ):
        set_parameters(Recipe(), {"sampler": "euler", "steps": "auto"})
