"""Advice quotes what was measured: what is wasted, what is lacking, where flaws begin, and what a budget affords."""

import pytest
from test_convergence import rung
from test_decision import DEAR, FAST, NEVER

from aldente.tuning.advice import best_within, for_goal, loss_at, on_bands, on_cfg, on_sampler, on_steps, plateau_range
from aldente.tuning.decision import choose, tolerance
from aldente.tuning.result import FlawedShare, GuidanceRange, Interval, SignChange, TuningResult
from aldente.tuning.study import Pair

PAIRS = {name: Pair(sampler=name, schedule="karras") for name in ("fast", "dear", "never", "euler")}


def interval(mean, low=None, high=None):
    return Interval(mean=mean, low=low, high=high, alpha=0.05, prompts=8, method="skew-corrected")


def share(value, mean, low):
    worst = SignChange(value=value, sign="lattice", title="lattice", change=interval(1.6))
    return FlawedShare(value=value, share=interval(mean, low, 1.0), worst=worst)


RANGE = GuidanceRange(
    baseline=4.0,
    low=2.0,
    high=7.0,
    clean_low=None,
    clean_high=None,
    limit_below=share(1.0, 0.4, 0.1),
    limit_above=share(10.0, 0.5, 0.2),
    shares=(share(1.0, 0.4, 0.1), share(3.0, 0.0, 0.0), share(10.0, 0.5, 0.2), share(15.0, 0.9, 0.6)),
    changes=(),
    sentence="",
)


@pytest.fixture
def result():
    curves = (FAST, DEAR, NEVER)
    return TuningResult(
        study="s",
        goal="production",
        choice=choose(curves, cfg=4.0),
        tolerance=tolerance("production", jnd=2.0, floor=0.1),
        curves=curves,
        guidance=RANGE,
        confirmation=(),
        front=(),
        sentences=(),
        cuts=(),
        confidence="",
        calls=0,
        pictures=0,
        missing=0,
    )


@pytest.fixture(autouse=True)
def made_up_samplers(monkeypatch):
    """The samplers of these studies are not in our table; what they cost a step is one call."""
    monkeypatch.setattr("aldente.tuning.advice.calls_of", lambda pair, steps, cfg: steps)


def test_steps_beyond_the_plateau_buy_nothing(result):
    remark = on_steps(PAIRS["fast"], 100, result)
    assert (remark.verdict, remark.basis, remark.instead) == ("waste", "measured", 20)
    assert "steps 100: 80% of the time buys nothing measurable (plateau at 20" in remark.sentence
    assert "a loss of 0.5, at most 0.8 JND at CFG 4, tolerance 1" in remark.sentence


def test_the_next_rung_is_no_waste_worth_a_word(result):
    assert on_steps(PAIRS["fast"], 24, result).verdict == "good"


def test_too_few_steps_are_told_with_what_they_lose(result):
    remark = on_steps(PAIRS["fast"], 14, result)
    assert (remark.verdict, remark.instead) == ("lacking", 20)
    assert "about 1 JND" in remark.sentence  # half way in logarithms between 2 at 10 and .5 at 20


def test_a_sampler_without_a_plateau_is_told_where_it_goes(result):
    remark = on_steps(PAIRS["never"], 80, result)
    assert (remark.parameter, remark.verdict, remark.instead) == ("steps", "lacking", "fast")
    assert "about 1.1 at 80" in remark.sentence


def test_what_was_not_tried_is_not_judged(result):
    remark = on_steps(PAIRS["euler"], 20, result)
    assert remark.verdict == "unknown"
    assert "fast, dear, never" in remark.sentence
    assert on_sampler(PAIRS["euler"], result) is None


def test_a_dearer_sampler_is_told_with_its_price(result):
    remark = on_sampler(PAIRS["dear"], result)
    assert remark.verdict == "dearer"
    assert "needs 10 steps, 2.0 x the cost of fast at 20" in remark.sentence
    assert on_sampler(PAIRS["fast"], result) is None


@pytest.mark.parametrize(
    ("cfg", "verdict", "said", "instead"),
    [
        (4.0, "good", "no flaws set in from 2 to 7", None),
        (10.0, "flawed", "CFG 10: 50% (surely 20%) of the pictures are flawed, mostly lattice", 7.0),
        (20.0, "flawed", "at 15, the nearest that was tried, 90% (surely 60%)", 7.0),
        (1.5, "flawed", "at 1, the nearest that was tried, 40%", 2.0),
    ],
)
def test_cfg_is_judged_by_its_flaws(cfg, verdict, said, instead):
    remark = on_cfg(cfg, RANGE)
    assert (remark.verdict, remark.instead) == (verdict, instead)
    assert said in remark.sentence


def test_cfg_beyond_what_was_tried_is_unknown():
    open_ended = RANGE.model_copy(update={"shares": (share(3.0, 0.0, 0.0),), "limit_above": None, "high": 3.0})
    assert on_cfg(20.0, open_ended).verdict == "unknown"


def test_folklore_says_that_it_is_folklore():
    low, good, high = on_bands(
        {"steps": 5, "cfg": 9, "eta": 1, "rho": 99}, {"steps": (20, 30), "cfg": (8, 11), "rho": (1, 9)}, "x"
    )
    assert (low.verdict, good.verdict, high.verdict) == ("outside", "good", "outside")
    assert (low.instead, good.instead, high.instead) == (20, None, 9)
    assert all("folklore" in remark.sentence and remark.basis == "folklore" for remark in (low, good, high))


def test_another_goal_is_answered_by_the_same_curves(result):
    draft = for_goal(result, "draft")
    assert (draft.choice.sampler, draft.choice.steps, draft.tolerance.delta) == ("fast", 10, 4.0)
    final = for_goal(result, "final")
    assert (final.choice.sampler, final.choice.steps) == ("fast", 40)
    assert for_goal(result, "production") is result


def test_a_budget_buys_the_least_loss_that_it_affords(result):
    assert best_within(result, 19.0) is None
    assert (best_within(result, 30.0).steps, best_within(result, 30.0).within_tolerance) == (10, False)
    assert best_within(result, 80.0).sampler == "fast"
    assert best_within(result, 80.0).steps == 40


def test_losses_between_and_beyond_rungs_follow_straight_lines_in_logarithms():
    curve = FAST.model_copy(update={"rungs": (rung(10, 4.0, 5.0), rung(20, 1.0, 2.0))})
    assert loss_at(curve, 10) == pytest.approx(4.0)
    assert loss_at(curve, 40) == pytest.approx(0.25)
    assert loss_at(curve, 5) == pytest.approx(16.0)


def test_the_plateau_may_lie_lower_than_is_sure():
    rungs = [rung(10, 1.2, 2.0), rung(20, 0.5, 0.8)]
    rungs[0] = rungs[0].model_copy(update={"loss": interval(1.2, 0.9, 2.0)})
    assert plateau_range(FAST.model_copy(update={"rungs": tuple(rungs)}), 1.0) == 10
