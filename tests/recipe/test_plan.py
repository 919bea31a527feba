"""Axes and plans: what is written is what is spanned, once each, in a sensible order."""

import math
from contextlib import suppress
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_strategies import recipes

from aldente.engine.errors import UserError
from aldente.recipe.axes import axis_of, parse_axis, zip_axes
from aldente.recipe.parameters import parameters
from aldente.recipe.plan import Plan, plan_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import checked, get_parameter

APPLE = Recipe(prompt="a red apple, studio light", negative="blurry, red")
PRESETS = {"Draft": {"steps": 15, "sampler": "Euler a Karras"}, "final": {"steps": 40, "cfg": 9.0}}


def recipes_of(*axes, base=APPLE, **given):
    return [cell.recipe for cell in plan_of(base, axes, **given).cells()]


def test_an_axis_has_typed_values_and_readable_labels():
    axis = parse_axis("guidance_scale = 5, 7.5-9.5")
    assert (axis.parameter, axis.label) == ("cfg", "CFG scale")
    assert axis.values == (5.0, 7.5, 8.5, 9.5)
    assert axis.labels == ("5", "7.5", "8.5", "9.5")
    assert parse_axis("sampler=euler_ancestral,DPM++ 2M Karras").labels == ("Euler a", "DPM++ 2M Karras")
    assert parse_axis("schedule=karras").labels == ("Karras",)
    assert parse_axis("eta=unset,0.5").values == (None, 0.5)
    assert parse_axis("discard_next_to_last=yes,no").values == (True, False)
    assert parse_axis("size=64x32,32X64").values == ("64x32", "32x64")
    assert parse_axis("negative=,blurry").values == ("", "blurry")
    assert parse_axis("model=,pastina").values == ("pastina",)


def test_an_axis_can_be_made_of_values():
    assert axis_of("steps", [5, "6"]).values == (5, 6)
    with pytest.raises(UserError, match="axis 'steps' has no values"):
        axis_of("steps", [])


def test_the_first_axis_runs_fastest():
    plan = plan_of(APPLE, ["cfg=5,7,9", "steps=15,25"])
    assert (plan.shape, plan.size) == ((3, 2), 6)
    assert [cell.labels for cell in plan.cells()][:4] == [("5", "15"), ("7", "15"), ("9", "15"), ("5", "25")]
    assert [cell.coordinates for cell in plan.cells()][2:4] == [(2, 0), (0, 1)]
    assert (plan.x.parameter, plan.y.parameter, plan.z) == ("cfg", "steps", None)


def test_a_plan_without_axes_is_its_base():
    assert [(c.recipe, c.coordinates, c.labels) for c in Plan(base=APPLE).cells()] == [(APPLE, (), ())]


def test_axes_in_step_go_together():
    made = recipes_of("cfg=5,7 & steps=15,25")
    assert [(r.sampling.guidance.scale, r.sampling.steps) for r in made] == [(5, 15), (7, 25)]
    axis = parse_axis("cfg=5,7 & steps=15,25 & sr=red,green")
    assert (axis.parameter, axis.label) == ("cfg & steps & prompt s/r", "CFG scale & Steps & Prompt S/R")
    assert axis.labels == axis.values == ("5, 15, red", "7, 25, green")


def test_axes_in_step_need_equally_many_values():
    with pytest.raises(UserError, match="cfg has 2, steps has 3"):
        parse_axis("cfg=5,7 & steps=1,2,3")
    assert zip_axes([axis_of("cfg", [5])]).values == (5.0,)


def test_an_ampersand_in_a_prompt_is_a_word():
    axis = parse_axis("prompt=salt & pepper,a & b = c & cfg=1,2")
    assert axis.labels == ("salt & pepper, 1", "a & b = c, 2")
    assert parse_axis("prompt=a & preset=b", presets={"b": {}}).parameter == "prompt & preset"


def test_random_seeds_are_drawn_once_per_listed_value():
    draw = count(100).__next__
    assert parse_axis("seed=-1,7,random,-1", draw=draw).values == (100, 7, 101, 102)
    with pytest.raises(UserError, match="needs something to draw it from"):
        parse_axis("seed=random")


def test_seeds_are_exact_up_to_the_largest():
    top = 2**64 - 1
    assert parse_axis(f"seed={top - 2}-{top}").values == (top - 2, top - 1, top)


def test_search_and_replace_edits_the_base_prompt():
    assert [r.prompt for r in recipes_of("Prompt S/R=red,green")] == [APPLE.prompt, "a green apple, studio light"]
    assert [r.negative for r in recipes_of("negative s/r=red,")] == [APPLE.negative, "blurry, "]
    assert [r.prompt for r in recipes_of("sr=red,green", "prompt=red rose,blue bird")] == [
        "red rose",
        "green rose",
        "blue bird",
        "blue bird",
    ]


def test_a_number_that_is_looked_for_may_become_a_range():
    base = Recipe(prompt="<lora:ink:0.5> a cat")
    made = recipes_of("sr=0.5, 0.6-1 (+0.2), none", base=base)
    assert [r.prompt for r in made] == [f"<lora:ink:{w}> a cat" for w in ("0.5", "0.6", "0.8", "1", "none")]


def test_search_and_replace_may_build_on_another():
    made = recipes_of("sr=red,green", "sr=green,yellow")
    assert [r.prompt.split()[1] for r in made] == ["red", "green", "red", "yellow"]


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("sr=rouge,vert", "the words 'rouge' to look for are not in the prompt; write it as it stands there"),
        ("sr=blurry,sharp", "not in the prompt; it is in the negative: use 'negative s/r'"),
        ("negative s/r=apple,pear", "not in the negative; it is in the prompt: use 'prompt s/r'"),
        ("prompt order=red,pear", "the words 'pear' to look for are not in the prompt"),
        ("sr=", "'prompt s/r' needs the words to look for"),
        ("prompt order=", "takes 1 to 9 different phrases of the prompt, not 0"),
        ("prompt order=a,b,c,d,e,f,g,h,i,j", "not 10"),
        ("preset=drafft", "preset 'drafft' is not known; did you mean 'Draft'"),
        ("cfg", "axis 'cfg' names no values; write parameter=value,value"),
        ("cfg=", "axis 'cfg' has no values; write cfg=a,b,c"),
        ("stepz=1", "parameter 'stepz' is not known"),
        ("num_inference_steps=1.5", "steps is 1.5; it must be a whole number from 1 to 1000. .* our name is 'steps'"),
        ("cfg=1e999", "cfg is inf; it must be a number from 0 to 100"),
        ("cfg=-1e999", "cfg is -inf"),
        ("cfg=5,high", "cfg is 'high'"),
        ("sampler=eluer", "did you mean 'euler'"),
    ],
)
def test_an_axis_that_cannot_be_is_refused_with_the_reason(axis, message):
    with pytest.raises(UserError, match=message):
        plan_of(APPLE, [axis], presets=PRESETS)


def test_a_parameter_stands_on_one_axis_only():
    with pytest.raises(UserError, match="cfg stands on two axes"):
        plan_of(APPLE, ["cfg=5", "steps=3 & cfg=7"])


def test_every_order_of_phrases_is_tried_in_their_places():
    made = [r.prompt for r in recipes_of("prompt order=apple,red,red")]
    assert made == ["a apple red, studio light", APPLE.prompt]
    overlapping = recipes_of("negative order=blurry,blur")
    assert len(overlapping) == 2


def test_words_that_a_prompt_lacks_keep_out_of_its_order():
    made = [r.prompt for r in recipes_of("prompt order=red,apple,bird", "prompt=red bird,apple red")]
    assert len(made) == 12
    assert set(made) == {"red bird", "bird red", "apple red", "red apple"}


def test_presets_are_an_axis_that_other_axes_beat():
    made = recipes_of("preset=draft,Final", "steps=20,30", presets=PRESETS)
    assert [(r.sampling.sampler, r.sampling.guidance.scale, r.sampling.steps) for r in made] == [
        ("euler_ancestral", 7.0, 20),
        ("dpmpp_2m", 9.0, 20),
        ("euler_ancestral", 7.0, 30),
        ("dpmpp_2m", 9.0, 30),
    ]
    assert plan_of(APPLE, ["preset=draft"], presets=PRESETS).x.labels == ("Draft",)


def test_a_combined_name_on_an_axis_sets_the_schedule_too():
    made = recipes_of("sampler=Euler a,DPM++ 2M Exponential,dpmpp_2m")
    assert [(r.sampling.sampler, r.sampling.schedule) for r in made] == [
        ("euler_ancestral", "karras"),
        ("dpmpp_2m", "exponential"),
        ("dpmpp_2m", "karras"),
    ]


def test_the_same_picture_is_one_job_and_is_shown_in_every_cell():
    jobs = plan_of(APPLE, ["cfg=5,5.0,7", "steps=20"]).jobs()
    assert [[cell.coordinates for cell in job.cells] for job in jobs] == [[(0, 0), (1, 0)], [(2, 0)]]
    assert all(job.digest == job.recipe.digest() for job in jobs)


def test_jobs_change_what_is_dear_seldom():
    jobs = plan_of(
        Recipe(prompt="<lora:a:1> cat"), ["size=64x64,32x32", "sr=<lora:a:1>,<lora:b:1>", "model=one,two", "steps=5,6"]
    ).jobs()
    told = [(j.recipe.model, j.recipe.prompt, j.recipe.width, j.recipe.sampling.steps) for j in jobs]
    assert [model for model, *_ in told] == ["one"] * 8 + ["two"] * 8
    assert [prompt[6] for _, prompt, *_ in told] == list("aaaabbbb" * 2)
    assert [width for *_, width, _ in told] == [64, 64, 32, 32] * 4
    assert [steps for *_, steps in told] == [5, 6] * 8


@given(recipes(), st.lists(st.sampled_from(["cfg=5,7,7", "steps=3-5", "seed=1-3 & eta=0-1 [3]", "size=8x8,16x8"]), unique=True))
def test_a_plan_is_its_file_and_spans_every_cell(base, axes):
    plan = plan_of(base, axes)
    again = Plan.model_validate_json(plan.canonical())
    assert again == plan
    assert again.digest() == plan.digest()
    cells = list(again.cells())
    assert len(cells) == plan.size == math.prod(plan.shape)
    assert len({cell.coordinates for cell in cells}) == len(cells)
    jobs = plan.jobs()
    assert sorted(c.coordinates for job in jobs for c in job.cells) == sorted(c.coordinates for c in cells)
    assert len({job.digest for job in jobs}) == len(jobs)
    for cell in cells:
        for axis, index in zip(plan.axes, cell.coordinates, strict=True):
            for setting in axis.points[index].settings:
                assert get_parameter(cell.recipe, setting.name) == setting.value


NAMES = [n for p in parameters() for n in (p.name, *p.aliases)] + ["sr", "prompt order", "preset", "zebra"]
VALUES = st.text(st.sampled_from('0123456789.-+e()[] ,|"\\&=xaered'), max_size=30)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(NAMES), VALUES)
def test_no_axis_breaks_the_reader(name, values):
    with suppress(UserError):
        plan = plan_of(APPLE, [f"{name}={values}"], draw=lambda: 4, presets=PRESETS)
        assert next(plan.cells()).recipe == checked(next(plan.cells()).recipe)
