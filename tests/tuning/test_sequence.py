"""Confidence sequences: wrong no more often than promised however often one looks, and sure as early as they can be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aldente.tuning.sequence import STAKES, fewest, judge, log_capital, refuted, sequence_bounds

BOUND = 4.0
RUNS, PROMPTS = 400, 150

# Losses with a mean of 1 within 0..4: the edge of the tolerance, the hardest truth there is.
EDGES = {
    "a coin": lambda rng, shape: np.where(rng.random(shape) < 0.25, 4.0, 0.0),
    "a skew": lambda rng, shape: 4.0 * rng.beta(0.5, 1.5, shape),
    "hardly any spread": lambda rng, shape: 1.0 + 0.02 * rng.normal(size=shape),
    "prompts with seeds": lambda rng, shape: (
        4.0 * (rng.beta(0.5, 1.5, shape) + rng.beta(0.5, 1.5, (3, *shape)).mean(axis=0)) / 2
    ),
}


def chance_of(wrong, runs, alpha):
    """The probability of at least so many wrong runs where each is wrong with ``alpha``, exactly."""
    return stats.binom.sf(wrong - 1, runs, alpha)


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_at_the_edge_a_verdict_is_ever_reached_no_more_often_than_promised(name, alpha):
    losses = EDGES[name](np.random.default_rng(1), (RUNS, PROMPTS)) / BOUND
    within = refuted(losses, 1 / BOUND, alpha)[:, -1]
    beyond = refuted(1 - losses, 1 - 1 / BOUND, alpha)[:, -1]
    for wrong in (int(within.sum()), int(beyond.sum())):
        assert chance_of(wrong, RUNS, alpha) > 1e-3, wrong


def test_the_same_looks_with_a_bound_for_one_look_are_wrong_far_more_often():
    """The reason for sequences: Student's bound, looked at again and again, refutes the truth in many runs."""
    losses = EDGES["a skew"](np.random.default_rng(2), (RUNS, PROMPTS))
    counts = np.arange(8, PROMPTS)
    means = np.cumsum(losses, axis=1)[:, counts - 1] / counts
    spread = np.sqrt(np.cumsum(losses**2, axis=1)[:, counts - 1] / counts - means**2) * np.sqrt(counts / (counts - 1))
    high = means + stats.t.ppf(0.95, counts - 1) * spread / np.sqrt(counts)
    assert (high < 1.0).any(axis=1).mean() > 0.15


@pytest.mark.parametrize("name", EDGES)
def test_capital_does_not_grow_on_average_where_the_mean_is_what_is_bet_against(name):
    losses = np.clip(EDGES[name](np.random.default_rng(3), (40_000, 12)) / BOUND, 0, 1)
    capital = np.exp(log_capital(losses, 1 / BOUND))
    error = capital.std(axis=0) / np.sqrt(len(capital))
    assert (capital.mean(axis=0) < 1 + 4 * error).all()


def test_half_the_tolerance_is_soon_sure_and_twice_of_it_too():
    rng = np.random.default_rng(4)
    losses = np.minimum(np.exp(0.5 * rng.normal(size=(RUNS, 120)) - 0.125), 2 * BOUND)
    within = refuted(np.minimum(0.5 * losses, BOUND) / BOUND, 1 / BOUND, 0.01)
    beyond = refuted(1 - np.minimum(2.0 * losses, BOUND) / BOUND, 1 - 1 / BOUND, 0.01)
    assert np.median(within.argmax(axis=1)) + 1 < 45
    assert within[:, -1].mean() > 0.99
    assert np.median(beyond.argmax(axis=1)) + 1 < 40
    assert beyond[:, -1].mean() > 0.99


def test_clipping_hides_how_bad_the_worst_are_and_no_more():
    """A tenth of hopeless prompts: the mean of what counts is .9 * .1 + .1 * 4, however hopeless they are."""
    rng = np.random.default_rng(5)
    hopeless = rng.random(400) < 0.1
    found = [
        sequence_bounds(
            [min(loss, BOUND) for loss in np.where(hopeless, size, 0.1)],
            floor=0,
            ceiling=BOUND,
            alpha_low=0.025,
            alpha_high=0.025,
        )
        for size in (5.0, 500.0)
    ]
    assert found[0] == found[1]
    assert found[0].low < 0.49 < found[0].high < 1.0


values = st.lists(st.floats(0, 4), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(values, st.floats(0.01, 0.4))
def test_bounds_are_the_means_that_no_capital_refutes(losses, alpha):
    found = sequence_bounds(losses, floor=0, ceiling=4, alpha_low=alpha, alpha_high=alpha)
    shares = np.array(losses) / 4
    assert 0 <= found.low <= found.high <= 4
    if found.high < 4 - 1e-6:
        assert refuted(shares, found.high / 4 + 1e-7, alpha)[-1]
    if found.high > 1e-6:
        assert not refuted(shares, found.high / 4 - 1e-7, alpha)[-1]
    if found.low < min(found.high, 4 - 1e-6):
        assert not refuted(1 - shares, 1 - found.low / 4 - 1e-7, alpha)[-1]


@settings(max_examples=40, deadline=None)
@given(values, values)
def test_more_values_never_widen_a_bound(losses, more):
    before, after = (
        sequence_bounds(some, floor=0, ceiling=4, alpha_low=0.05, alpha_high=0.05) for some in (losses, losses + more)
    )
    assert after.high <= before.high + 1e-9
    assert after.low >= before.low - 1e-9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.01, 0.95), st.floats(0.001, 0.04))
def test_capital_is_larger_against_a_larger_mean(shares, mean, step):
    lower, higher = (log_capital(np.array(shares), m) for m in (mean, mean + step))
    assert (higher >= lower - 1e-9).all()


def test_the_stakes_are_the_whole_capital_and_never_all_of_it_at_risk():
    assert sum(part for _, part in STAKES) == pytest.approx(1.0)
    assert all(0 < stake < 1 for stake, _ in STAKES)


@pytest.mark.parametrize("bound", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_fewest_is_what_no_loss_at_all_takes(bound, alpha):
    least = fewest(bound, alpha)
    highs = [
        sequence_bounds([0.0] * n, floor=0, ceiling=bound, alpha_low=alpha, alpha_high=alpha).high for n in (least, least - 1)
    ]
    assert highs[0] <= 1.0 < highs[1]


def test_values_out_of_range_or_none_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        sequence_bounds([], floor=0, ceiling=1, alpha_low=0.1, alpha_high=0.1)
    with pytest.raises(ValueError, match=r"within 0 and 1; these reach 0\.2 and 1\.5"):
        sequence_bounds([0.2, 1.5], floor=0, ceiling=1, alpha_low=0.1, alpha_high=0.1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.1, 2.0, "worse"),
        (-3.0, -1.5, "better"),
        (-0.4, 0.9, "practically equivalent"),
        (-0.4, -0.1, "practically equivalent"),
        (0.2, 0.8, "practically equivalent"),
        (0.5, 1.5, "continue"),
        (-2.0, 2.0, "continue"),
    ],
)
def test_the_five_verdicts(low, high, verdict):
    assert judge(low, high, 1.0, more=True) == verdict
    assert judge(low, high, 1.0, more=False) == ("inconclusive" if verdict == "continue" else verdict)
    mirrored = {"better": "worse", "worse": "better"}.get(verdict, verdict)
    assert judge(-high, -low, 1.0, more=True) == mirrored
