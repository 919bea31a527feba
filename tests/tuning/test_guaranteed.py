"""A guaranteed study draws prompts until it is sure, and claims nothing false of a world whose truth is known."""

import numpy as np
import pytest
from fake_world import World, run

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.tuning.budget import alphas, fitted, total_calls, units_of
from aldente.tuning.result import TuningResult
from aldente.tuning.study import Guarantee, Pair, Study

# RMSE of 1 JND is about 1 step here: uni_pc loses .5 JND at 14 steps and 1.5 at 10, euler too much everywhere.
LAWS = {
    "euler": (160.0, -1.0),
    "uni_pc": (1500.0, -3.0),
    "dpmpp_2m": (1300.0, -3.0),
    "heun": (64.0, -2.0),
    "euler_ancestral": (60.0, -2.0),
}


def pairs(*samplers):
    return tuple(Pair(sampler=sampler, schedule="karras") for sampler in samplers)


def study(prompts=60, **changes):
    facts = {
        "base": set_parameters(Recipe(), {"cfg": 6}),
        "prompts": tuple(f"thing {i}" for i in range(prompts)),
        "seeds": (1,),
        "pairs": pairs("uni_pc", "euler"),
        "steps_low": 7,
        "steps_high": 28,
        "cfgs": (),
        "guarantee": Guarantee(),
    }
    return Study(**(facts | changes))


@pytest.fixture(scope="module")
def found():
    return run(study(), World(LAWS), seconds_per_call=0.001)


def true_mean(result, sampler, steps):
    """What the losses of all prompts average to, each counted up to the bound."""
    scale, exponent = LAWS[sampler]
    hardness = np.exp(0.3 * np.random.default_rng(0).normal(size=100_000) - 0.045)
    return np.minimum(scale * steps**exponent * hardness / result.tolerance.jnd, result.proof.bound).mean()


def test_the_choice_is_true_and_the_study_stops_once_it_is_sure(found):
    result, needs = found
    assert result.mode == "guaranteed"
    assert (result.choice.sampler, result.choice.steps, result.choice.within_tolerance) == ("uni_pc", 14, True)
    assert result.choice.loss.method == "betting"
    assert result.choice.loss.high <= result.tolerance.delta
    assert result.proof.stopped == "decided"
    assert 20 < result.proof.drawn < 56
    drawn = {recipe.prompt for need in needs for recipe in need.recipes}
    assert len(drawn) == result.proof.drawn + result.proof.pilot
    assert sum(need.calls for need in needs) == result.calls < total_calls(study())


def test_no_verdict_contradicts_the_truth(found):
    result, _ = found
    verdicts = {(one.sampler, one.steps): one.verdict for one in result.proof.settings}
    assert len(verdicts) == 10
    for (sampler, steps), verdict in verdicts.items():
        mean = true_mean(result, sampler, steps)
        assert verdict != "worse" or mean > 0.95, (sampler, steps)
        assert verdict != "practically equivalent" or mean < 1.05, (sampler, steps)
    assert verdicts["uni_pc", 28] == verdicts["uni_pc", 14] == "practically equivalent"
    assert verdicts["uni_pc", 7] == verdicts["euler", 28] == "worse"


def test_what_is_decided_is_not_drawn_any_more(found):
    _, needs = found
    first, last = ({recipe.sampling.steps for recipe in need.recipes} for need in (needs[3], needs[-1]))
    assert first >= {7, 10, 14, 20, 28}
    assert 28 not in last
    assert len(needs[-1].recipes) < len(needs[3].recipes) / 2


def test_the_report_of_it_says_the_mode_the_method_the_bound_and_the_end(found):
    result, _ = found
    assert result.confidence.startswith("Guaranteed: the probability that any verdict on steps is wrong is at most 5%")
    for words in (
        "betting confidence sequence",
        "stopped as soon as the choice was sure",
        "No prompt counts as more than 4 JND",
    ):
        assert words in result.confidence
    assert "at most 25% of them lose more than 4" in result.confidence
    rival = next(sentence for sentence in result.sentences if "Euler Karras, 14 steps" in sentence)
    assert rival.startswith("UniPC Karras, 14 steps, is surely nearer to its converged picture than Euler Karras, 14 steps")
    assert result.proof.rivalries[0].verdict == "better"


def test_a_guaranteed_result_survives_json_and_a_fast_one_has_no_proof(found):
    result, _ = found
    assert TuningResult.model_validate_json(result.model_dump_json()) == result
    fast, _ = run(study(prompts=6, guarantee=None), World(LAWS))
    assert (fast.mode, fast.proof) == ("fast", None)


def test_studies_without_a_guarantee_are_what_they_were():
    assert "guarantee" not in study(guarantee=None).canonical()


def test_resuming_gives_the_same_and_another_goal_draws_the_same_prompts_first():
    store, world = {}, World(LAWS)
    first, needs = run(study(), world, store=store)
    made = world.rendered
    again, _ = run(study(), world, store=store)
    assert (again, world.rendered) == (first, made)
    turned = study(prompts=60).model_copy(update={"prompts": study().prompts[::-1], "goal": "draft"})
    _, others = run(turned, world, store=store)
    assert {r.prompt for r in others[0].recipes} == {r.prompt for r in needs[0].recipes}
    assert world.rendered - made < made / 2


def test_prompts_count_once_whatever_their_seeds():
    several = study(prompts=30, seeds=(1, 2))
    result, _ = run(several, World(LAWS))
    assert all(one.loss.prompts <= result.proof.drawn for one in result.proof.settings)
    assert result.choice.loss.prompts < 27
    assert "each the mean over its seeds" in result.confidence


def test_one_prompt_is_judged_over_its_seeds():
    one = study(prompts=1, seeds=tuple(range(1, 41)))
    assert len(units_of(one)) == 40
    result, _ = run(one, World(LAWS, spread=0.0, held_out=1.0))
    assert result.proof.unit == "seeds"
    assert "seeds of this prompt" in result.confidence
    assert result.choice.steps == 14


def test_out_of_prompts_is_said_and_what_is_undecided_is_inconclusive():
    result, _ = run(study(prompts=23), World(LAWS))
    assert result.proof.stopped == "out of prompts"
    assert result.choice.within_tolerance == any(v.verdict == "practically equivalent" for v in result.proof.settings)
    assert {one.verdict for one in result.proof.settings} >= {"inconclusive"}
    assert "ended undecided in part with the last of 19 prompts" in result.confidence


def test_a_budget_ends_the_draw_and_is_kept():
    whole = study()
    budget = total_calls(whole) // 2
    result, needs = run(whole.model_copy(update={"budget_calls": budget}), World(LAWS))
    assert sum(need.calls for need in needs) <= budget
    assert result.proof.stopped in ("out of budget", "decided")
    tight, needs = run(whole.model_copy(update={"budget_calls": budget // 2}), World(LAWS))
    assert sum(need.calls for need in needs) <= budget // 2
    assert tight.proof.stopped == "out of budget"
    assert tight.proof.drawn < result.proof.drawn


def test_what_can_decide_nothing_is_refused_with_what_it_would_take():
    with pytest.raises(
        UserError, match=r"20 prompts cannot guarantee anything at 95% confidence: 4 set .* 17 more are the least"
    ):
        fitted(study(prompts=20))
    with pytest.raises(UserError, match=r"3 seeds of the one prompt cannot guarantee anything"):
        fitted(study(prompts=1, seeds=(1, 2, 3)))
    with pytest.raises(UserError, match=r"a budget of 900 model calls is too small for a guarantee"):
        fitted(study(budget_calls=900))
    fitted(study(prompts=20, alpha=0.2))


def test_every_error_together_is_within_the_confidence():
    some = study(pairs=pairs("dpmpp_2m", "euler", "heun"), alpha=0.1)
    each = alphas(some)
    plateaus, rungs, sides = 3 * each.within, 3 * 5 * each.too_few, 2 * 2 * each.compared
    assert plateaus + rungs + sides == pytest.approx(0.1)


def test_a_stochastic_sampler_has_its_own_solution_here_too():
    world = World(LAWS, stochastic=("euler_ancestral",))
    result, _ = run(study(pairs=pairs("euler_ancestral")), world)
    assert result.curves[0].own_reference
    assert result.choice.within_tolerance
    assert result.proof.rivalries == ()


def test_held_out_prompts_are_looked_at_only_where_given(found):
    result, _ = found
    assert result.confirmation == ()
    held, needs = run(study(held_out_prompts=("new a", "new b")), World(LAWS))
    assert {recipe.prompt for recipe in needs[-1].recipes} == {"new a", "new b"}
    assert len(held.confirmation) == 2


def test_pictures_that_fail_leave_their_prompt_out():
    broken = {"thing 3", "thing 11", "thing 12"}
    result, _ = run(study(), World(LAWS, broken=lambda recipe: recipe.prompt in broken and recipe.sampling.steps == 14))
    assert result.missing > 0
    assert result.choice.steps == 14
    with pytest.raises(UserError, match="no sampler has a picture at every step count"):
        run(study(), World(LAWS, broken=lambda recipe: recipe.sampling.steps == 14))
