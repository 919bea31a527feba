"""A study asks for what it needs and finds the known answer of a fake world."""

import json
import re

import pytest
from fake_world import World, run

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.tuning.budget import calls_for_seconds, predicted_calls, total_calls
from aldente.tuning.result import TuningResult
from aldente.tuning.study import Pair, Study, calls_of, parse_pair, recipe_for

# RMSE of 1 JND is about 1 step here: euler is there at 160 steps, heun at 8 (15 calls), dpmpp_2m at 11.
LAWS = {"euler": (160.0, -1.0), "dpmpp_2m": (120.0, -2.0), "heun": (64.0, -2.0), "euler_ancestral": (30.0, -0.5)}


def pairs(*samplers):
    return tuple(Pair(sampler=sampler, schedule="karras") for sampler in samplers)


def study(**changes):
    facts = {
        "base": set_parameters(Recipe(), {"cfg": 6}),
        "prompts": tuple(f"thing {i}" for i in range(6)),
        "pairs": pairs("dpmpp_2m", "euler", "heun"),
        "cfgs": (2.0, 6.0, 9.0, 12.0),
    }
    return Study(**(facts | changes))


def jnd_of(result):
    return result.tolerance.jnd


def true_loss(result, sampler, steps):
    scale, exponent = LAWS[sampler]
    return scale * steps**exponent / jnd_of(result)


def test_the_cheapest_sampler_within_tolerance_is_found_and_its_plateau_is_true():
    result, _ = run(study(), World(LAWS))
    curves = {curve.sampler: curve for curve in result.curves}
    assert curves["euler"].plateau is None
    for sampler in ("dpmpp_2m", "heun"):
        assert true_loss(result, sampler, curves[sampler].plateau) <= 1.0
        assert true_loss(result, sampler, curves[sampler].plateau / 2) > 1.0
    assert result.choice.sampler == "dpmpp_2m"
    assert result.choice.within_tolerance
    assert result.choice.calls == 2 * result.choice.steps
    assert [check.verdict for check in result.confirmation] == ["confirmed", "confirmed"]
    assert result.confidence.startswith(
        "The probability that any plateau is claimed too early is about 5% or less for prompts like these"
    )


def test_why_not_more_steps_is_answered_with_the_true_numbers():
    result, _ = run(study(goal="draft", pairs=pairs("dpmpp_2m"), steps_high=80), World(LAWS, spread=0.0))
    rungs = {rung.steps: rung for rung in result.curves[0].rungs}
    chosen = rungs[result.choice.steps]
    moved = true_loss(result, "dpmpp_2m", chosen.steps) * 0.75
    assert chosen.moved.mean == pytest.approx(moved, rel=0.1)
    assert result.sentences[1].startswith(
        f"{chosen.steps} -> {2 * chosen.steps} steps costs 2.0 x as much and moves the picture"
    )
    told = float(result.sentences[1].split("together by about ")[1].rstrip("."))
    assert told == pytest.approx(true_loss(result, "dpmpp_2m", chosen.steps), rel=0.15)


def test_losses_are_measured_as_they_are():
    result, _ = run(study(), World(LAWS, spread=0.0))
    curve = next(curve for curve in result.curves if curve.sampler == "euler")
    for rung in curve.rungs[1:]:
        assert rung.loss.mean == pytest.approx(true_loss(result, "euler", rung.steps), rel=0.12)
    assert curve.law.exponent == pytest.approx(-1.0, abs=0.1)
    assert curve.rungs[0].latent_rms == pytest.approx(32.0, rel=0.05)
    assert curve.rungs[0].moved.mean == pytest.approx(curve.rungs[0].loss.mean - curve.rungs[2].loss.mean, rel=0.05)


def test_cfg_ends_before_the_flaws_and_a_fried_wish_is_moved_back():
    result, _ = run(study(base=set_parameters(Recipe(), {"cfg": 12})), World(LAWS))
    assert result.guidance.high == 6.0
    assert result.guidance.limit_above.value == 9.0
    assert result.choice.cfg == 6.0
    assert any("CFG 12 was asked for; 6 is the nearest" in sentence for sentence in result.sentences)
    kept, _ = run(study(), World(LAWS))
    assert kept.choice.cfg == 6.0


def test_a_tighter_goal_never_needs_fewer_steps():
    steps = [run(study(goal=goal), World(LAWS))[0].choice.steps for goal in ("draft", "production", "final")]
    assert steps == sorted(steps)
    assert steps[0] < steps[2]


def test_resuming_is_running_again_with_what_exists():
    store, world = {}, World(LAWS)
    first, _ = run(study(), world, store=store)
    made = world.rendered
    second, _ = run(study(), world, store=store)
    assert world.rendered == made
    assert second == first
    assert second.canonical() == first.canonical()


def test_a_result_survives_json():
    result, _ = run(study(), World(LAWS), seconds_per_call=0.002)
    assert TuningResult.model_validate_json(result.model_dump_json()) == result
    assert json.loads(result.model_dump_json())["choice"]["seconds"] == pytest.approx(result.choice.calls * 0.002)


def test_needs_add_up_to_the_prediction():
    asked = study()
    result, needs = run(asked, World(LAWS))
    assert [need.phase for need in needs] == ["references", "steps", "steps", "steps", "steps", "cfg", "confirmation"]
    assert sum(need.calls for need in needs) == result.calls
    assert needs[0].calls == predicted_calls(asked)["references"]
    assert result.calls == pytest.approx(total_calls(asked), rel=0.15)
    assert result.pictures == sum(len(need.recipes) for need in needs) - repeats(needs)


def repeats(needs):
    digests = [recipe.digest() for need in needs for recipe in need.recipes]
    return len(digests) - len(set(digests))


def test_a_failed_picture_costs_its_instance_and_no_more():
    def broken(recipe):
        return recipe.prompt == "thing 3" and recipe.sampling.steps == 7 and recipe.sampling.sampler == "euler"

    result, _ = run(study(), World(LAWS, broken=broken))
    instances = {curve.sampler: curve.rungs[0].instances for curve in result.curves}
    assert instances == {"dpmpp_2m": 12, "euler": 10, "heun": 12}
    assert result.missing == 2


def test_later_phases_do_without_pictures_that_failed():
    """Without any picture at one CFG scale there is no range; without held-out pictures, no confirmation."""

    def broken(recipe):
        return recipe.sampling.guidance.scale == 2.0 or recipe.seed > 2

    result, _ = run(study(), World(LAWS, broken=broken))
    assert result.guidance is None
    assert result.confirmation == ()
    assert result.choice.cfg == 6.0


def test_cfg_and_confirmation_can_be_left_alone():
    result, needs = run(study(cfgs=(), confirm=False), World(LAWS))
    assert {need.phase for need in needs} == {"references", "steps"}
    assert result.guidance is None


def test_a_study_without_references_says_so():
    with pytest.raises(UserError, match="none of the reference pictures"):
        run(study(), World(LAWS, broken=lambda recipe: recipe.sampling.steps == 112))
    with pytest.raises(UserError, match="no sampler has a picture at every step count"):
        run(study(), World(LAWS, broken=lambda recipe: recipe.sampling.steps == 5))


def test_a_stochastic_sampler_is_judged_against_its_own_solution():
    world = World(LAWS | {"euler_ancestral": (120.0, -2.0)}, stochastic=("euler_ancestral",))
    result, needs = run(study(pairs=pairs("euler", "euler_ancestral")), world)
    own = next(curve for curve in result.curves if curve.sampler == "euler_ancestral")
    assert own.own_reference
    assert own.plateau is not None
    assert sum(recipe.sampling.sampler == "euler_ancestral" for recipe in needs[0].recipes) == 12


def test_a_slow_own_reference_is_not_taken_for_the_limit():
    """Near its reference at 112 steps a sampler of order 1/2 looks close; the correction gives back what is hidden."""
    world = World(LAWS, stochastic=("euler_ancestral",), spread=0.0)
    result, _ = run(study(pairs=pairs("euler_ancestral"), cfgs=(), confirm=False), world)
    for rung in result.curves[0].rungs:
        truth = 30 * rung.steps**-0.5 / jnd_of(result)
        assert rung.correction > 1.2
        assert rung.loss.mean == pytest.approx(truth, rel=0.25)


def test_lcm_is_not_judged():
    result, _ = run(study(pairs=pairs("dpmpp_2m", "lcm")), World(LAWS))
    assert [curve.sampler for curve in result.curves] == ["dpmpp_2m"]
    assert "LCM Karras never converges" in result.cuts[0]
    with pytest.raises(UserError, match="nothing to tune: LCM"):
        run(study(pairs=pairs("lcm")), World(LAWS))


def test_held_out_pictures_that_contradict_cost_a_rung():
    result, _ = run(study(), World(LAWS, held_out=2.2))
    before, _ = run(study(), World(LAWS))
    assert result.confirmation[0].verdict == "contradicted"
    assert result.confirmation[1].verdict in ("confirmed", "consistent")
    assert result.choice.steps > before.choice.steps
    assert any("not for the held-out ones" in sentence for sentence in result.sentences)


def test_held_out_prompts_are_used_where_given():
    result, needs = run(study(held_out_prompts=("new a", "new b")), World(LAWS))
    assert {recipe.prompt for recipe in needs[-1].recipes} == {"new a", "new b"}
    assert "held-out prompts (2 pictures)" in result.confirmation[0].on


def test_where_nothing_is_good_enough_the_nearest_is_named_as_such():
    result, _ = run(study(pairs=pairs("euler")), World(LAWS))
    assert not result.choice.within_tolerance
    assert result.choice.steps == 56
    assert result.sentences[0].startswith("No setting is surely within the tolerance")


def test_one_prompt_speaks_for_itself_and_one_picture_for_nothing():
    one, _ = run(study(prompts=("thing 1",), seeds=(1, 2)), World(LAWS))
    assert "for other seeds of this prompt than these 2" in one.confidence
    single, _ = run(study(prompts=("thing 1",), seeds=(1,)), World(LAWS))
    assert single.confidence.startswith("No confidence can be given")
    assert single.choice.loss.high is None


@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_a_budget_is_kept_and_its_cuts_are_told(share):
    whole = study(cfgs=(1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0))
    budget = int(total_calls(whole) * share)
    result, needs = run(whole.model_copy(update={"budget_calls": budget}), World(LAWS))
    assert sum(need.calls for need in needs) <= budget * 1.05
    assert result.cuts
    assert result.choice.sampler in ("dpmpp_2m", "heun")


def test_a_hopeless_budget_is_refused_with_what_it_takes():
    with pytest.raises(UserError, match=r"budget of 50 model calls is too small.*needs about \d+"):
        run(study(budget_calls=50), World(LAWS))
    assert calls_for_seconds(120, 0.0024) == 50_000


def test_calls_count_stages_and_guidance():
    euler, heun = pairs("euler", "heun")
    assert calls_of(euler, 20, 7.0) == 40
    assert calls_of(euler, 20, 1.0) == 20
    assert calls_of(heun, 20, 7.0) == 78


def test_pairs_are_read_as_users_write_them():
    assert parse_pair("DPM++ 2M Karras", Recipe()) == Pair(sampler="dpmpp_2m", schedule="karras")
    assert parse_pair("Euler a", set_parameters(Recipe(), {"schedule": "exponential"})).schedule == "exponential"


def test_options_that_a_sampler_does_not_take_are_dropped():
    base = set_parameters(Recipe(), {"eta": 0.5, "s_noise": 1.0})
    _, needs = run(study(base=base, pairs=pairs("dpmpp_2m", "euler_ancestral")), World(LAWS, stochastic=("euler_ancestral",)))
    etas = {recipe.sampling.sampler: recipe.sampling.eta for need in needs for recipe in need.recipes}
    assert etas == {"dpmpp_2m": None, "heun": None, "euler_ancestral": 0.5}


def test_options_of_churn_are_left_out_where_nothing_is_churned():
    sampling = Recipe().sampling.model_copy(update={"s_noise": 0.9, "s_tmax": 5.0})
    plain = study(base=Recipe(sampling=sampling))
    churned = study(base=Recipe(sampling=sampling.model_copy(update={"s_churn": 3.0})))
    made = {name: recipe_for(plain, ("cat", 1), Pair(sampler=name, schedule="karras"), 8, 4.0).sampling for name in NOISES}
    assert {name: (one.s_noise, one.s_tmax) for name, one in made.items()} == NOISES
    kept = recipe_for(churned, ("cat", 1), Pair(sampler="euler", schedule="karras"), 8, 4.0).sampling
    assert (kept.s_churn, kept.s_noise, kept.s_tmax) == (3.0, 0.9, 5.0)


NOISES = {"euler": (None, None), "dpmpp_2m": (None, None), "euler_ancestral": (0.9, None)}


def test_steps_that_leave_noise_are_passed_over_however_near_the_pictures_are():
    """A draft may be 4 JND off, but not by noise that everybody sees: its picture would be worse in two signs of noise."""
    noisy, _ = run(study(goal="draft", pairs=pairs("heun"), cfgs=(), confirm=False), World(LAWS))
    plateau = noisy.curves[0].plateau
    assert noisy.choice.steps > plateau
    assert noisy.choice.within_tolerance
    said = " ".join(noisy.sentences)
    told = re.search(rf"At {plateau} steps (\d+)% of the pictures are worse in two flaw signs than converged ones\.", said)
    assert int(told[1]) > 50
    assert f"At {noisy.choice.steps} steps they are not." in said
    clean, _ = run(study(pairs=pairs("heun"), cfgs=(), confirm=False), World(LAWS))
    assert clean.choice.steps == clean.curves[0].plateau
    assert "flaw signs" not in " ".join(clean.sentences)
