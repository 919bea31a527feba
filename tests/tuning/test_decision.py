"""The cheapest plateau is chosen, and the reasons quote its numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_convergence import rung

from aldente.tuning.decision import choose, curve_of, front, next_rung, revised, tolerance
from aldente.tuning.result import Confirmation, Curve
from aldente.tuning.verdict import reasons


def curve(sampler, rungs, plateau):
    return Curve(
        sampler=sampler,
        schedule="karras",
        title=sampler,
        own_reference=False,
        reference="r",
        rungs=tuple(rungs),
        law=None,
        plateau=plateau,
        sentence=f"{sampler} says.",
    )


FAST = curve("fast", [rung(10, 2.0, 3.0), rung(20, 0.5, 0.8), rung(40, 0.1, 0.2)], 20)
DEAR = curve("dear", [rung(10, 0.4, 0.6, calls=80.0), rung(20, 0.1, 0.2, calls=160.0)], 10)
NEVER = curve("never", [rung(10, 5.0, 6.0), rung(20, 3.0, 4.0)], None)


def test_the_cheapest_plateau_wins():
    choice = choose([DEAR, NEVER, FAST], cfg=7.0)
    assert (choice.sampler, choice.steps, choice.calls, choice.within_tolerance) == ("fast", 20, 40.0, True)
    assert curve_of(choice, [DEAR, FAST]) is FAST


def test_an_equal_price_is_called_one():
    same = curve("same", [rung(20, 0.6, 0.9)], 20)
    limit = tolerance("production", jnd=2.0, floor=0.1)
    said = " ".join(reasons(choose([FAST, same], cfg=7.0), [FAST, same], limit))
    assert "same gets there at the same price (20 steps), with a loss of 0.6, at most 0.9 JND" in said


def test_without_a_plateau_the_least_mean_loss_is_named_however_wide_its_bound():
    unsure = curve("unsure", [rung(7, 11.0, 30.0), rung(20, 1.2, 2e5)], None)
    choice = choose([NEVER, unsure], cfg=7.0)
    assert (choice.sampler, choice.steps, choice.within_tolerance) == ("unsure", 20, False)


def test_the_reasons_quote_the_numbers():
    limit = tolerance("production", jnd=2.0, floor=0.1)
    said = " ".join(reasons(choose([FAST, DEAR, NEVER], cfg=7.0), [FAST, DEAR, NEVER], limit))
    assert "fast, 20 steps (40 model calls a picture): a loss of 0.5, at most 0.8 JND" in said
    assert "10 steps are too few: a loss of 2, at most 3 JND" in said
    assert "dear gets there at 10 steps, which cost 2.0 x as much" in said
    assert "never says." in said


@pytest.mark.parametrize(("goal", "delta"), [("draft", 4.0), ("production", 1.0), ("final", 0.5)])
def test_goals_have_their_tolerance(goal, delta):
    limit = tolerance(goal, jnd=2.0, floor=0.1)
    assert (limit.delta, limit.raised) == (delta, False)


def test_no_tolerance_is_below_what_references_can_tell():
    limit = tolerance("final", jnd=2.0, floor=0.4)
    assert limit.delta == 0.8
    assert limit.raised
    assert "no tighter than 0.8 JND" in limit.reason


@given(st.lists(st.tuples(st.integers(5, 60), st.floats(0.01, 50)), min_size=1, max_size=30, unique_by=lambda p: p[0]))
def test_the_front_is_what_nothing_beats(points):
    found = front([curve("s", [rung(steps, loss, loss) for steps, loss in points], None)])
    kept = {(point.calls, point.loss) for point in found}
    for steps, loss in points:
        beaten = any(2.0 * n <= 2.0 * steps and other <= loss and (n, other) != (steps, loss) for n, other in points)
        assert ((2.0 * steps, loss) in kept) == (not beaten)
    assert sum(point.knee for point in found) <= 1
    assert [point.calls for point in found] == sorted(point.calls for point in found)


def test_the_knee_is_where_the_front_bends():
    found = front([curve("s", [rung(n, loss, loss) for n, loss in ((5, 30), (10, 3.0), (20, 2.5), (40, 2.0))], None)])
    assert [point.steps for point in found if point.knee] == [10]


def checks(*verdicts):
    loss = FAST.rungs[0].loss
    return [
        Confirmation(steps=steps, loss=loss, on="x", verdict=verdict)
        for steps, verdict in zip((20, 40), verdicts, strict=False)
    ]


def test_only_a_contradiction_that_the_next_rung_escapes_moves_the_choice():
    choice = choose([FAST], cfg=7.0)
    assert revised(choice, checks("confirmed", "confirmed"), [FAST]) == (choice, [])
    assert revised(choice, checks("contradicted", "contradicted"), [FAST]) == (choice, [])
    assert revised(choice, checks("contradicted"), [FAST]) == (choice, [])
    moved, said = revised(choice, checks("contradicted", "consistent"), [FAST])
    assert moved.steps == 40
    assert "so 40 were chosen" in said[0]
    assert next_rung(FAST, 40) is None
