"""The law, its limit, the plateau, and how often the plateau is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.engine.errors import UserError
from aldente.quality.bounds import loss_bounds
from aldente.tuning.convergence import (
    correction,
    fit_power_law,
    interval,
    limit_from_doubling,
    plateau,
    predicted,
    prompts_of,
    trusted,
    usable_for_law,
)
from aldente.tuning.ladder import ladder
from aldente.tuning.result import Interval, Rung

STEPS = np.array(ladder(5, 56))


def rung(steps, mean, high, *, calls=None):
    loss = Interval(mean=mean, low=None, high=high, alpha=0.05, prompts=6, method="log-normal")
    return Rung(
        steps=steps,
        calls=2.0 * steps if calls is None else calls,
        seconds=None,
        loss=loss,
        correction=1.0,
        moved=None,
        psnr=40.0,
        ssim=0.99,
        latent_rms=None,
        instances=6,
    )


def test_the_ladder_climbs_by_the_square_root_of_two():
    assert ladder() == (5, 7, 10, 14, 20, 28, 40, 56)
    assert ladder(1, 160) == (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160)
    with pytest.raises(UserError, match="between 8 and 12"):
        ladder(8, 12)


@pytest.mark.parametrize("exponent", [-0.5, -0.8, -1.2, -2.0, -3.0])
@pytest.mark.parametrize("reference", [None, 112])
def test_the_exponent_is_found_from_noisy_distances(exponent, reference):
    rng = np.random.default_rng(1)
    exact = STEPS**exponent - (0 if reference is None else reference**exponent)
    law = fit_power_law(STEPS, 50 * exact * np.exp(0.02 * rng.normal(size=STEPS.size)), reference_steps=reference)
    assert law.exponent == pytest.approx(exponent, abs=0.06)
    assert law.scale == pytest.approx(50, rel=0.2)
    assert law.r_squared > 0.99
    assert predicted(law, 20) == pytest.approx(50 * exact[STEPS == 20][0], rel=0.06)


def test_too_few_points_have_no_law():
    assert fit_power_law([5, 7], [1.0, 0.5]) is None
    assert fit_power_law([5, 7, 10, 112], [1.0, 0.5, 0.0, 0.1], reference_steps=112) is None


@given(st.floats(-3, -0.3), st.integers(5, 40))
def test_doubling_tells_the_limit(exponent, steps):
    between = steps**exponent - (2 * steps) ** exponent
    assert limit_from_doubling(between, exponent) == pytest.approx(steps**exponent)


@settings(deadline=None)
@given(st.floats(-3, -0.3), st.sampled_from([int(n) for n in STEPS]))
def test_the_correction_gives_back_what_the_reference_hides(exponent, steps):
    law = fit_power_law(STEPS, STEPS**exponent - 112.0**exponent, reference_steps=112)
    measured = steps**exponent - 112.0**exponent
    assert measured * correction(law, steps) == pytest.approx(steps**exponent, rel=0.02)


def test_a_picture_that_changes_sides_is_not_multiplied():
    """One picture of eight flips at 28 steps: the fit is all but flat, and its own correction would be twenty."""
    losses = np.array([8.0 / n + (2.0 if n == 28 else 0.3) for n in STEPS])
    law = fit_power_law(STEPS, losses, reference_steps=112)
    assert law.exponent > -0.5
    for stochastic, most in ((True, 3.5), (False, 2.1)):
        hidden = trusted(law, stochastic=stochastic, reference_steps=112)
        assert max(correction(hidden, int(n)) for n in STEPS) < most < correction(law, 56)
        assert trusted(None, stochastic=stochastic, reference_steps=112) == hidden
    steep = fit_power_law(STEPS, STEPS**-2.0 - 112.0**-2.0, reference_steps=112)
    assert trusted(steep, stochastic=True, reference_steps=112).exponent == steep.exponent


def test_against_the_limit_nothing_is_corrected():
    law = fit_power_law(STEPS, 1.0 / STEPS)
    assert correction(law, 10) == 1.0


def test_the_law_is_fitted_above_the_floor():
    points = [(int(n), max(100.0 / n**2, 0.1)) for n in STEPS]
    steps, losses = usable_for_law(points, 0.1)
    assert steps == [5, 7, 10, 14, 20]
    assert fit_power_law(steps, losses).exponent == pytest.approx(-2, abs=0.01)


def test_the_plateau_starts_where_every_later_bound_is_within():
    rungs = [rung(5, 9, 12), rung(7, 0.5, 0.9), rung(10, 1.2, 1.4), rung(14, 0.7, 0.95), rung(20, 0.3, 0.5)]
    assert plateau(rungs, 1.0) == 14
    assert plateau(rungs, 1.4) == 7
    assert plateau(rungs, 0.2) is None
    assert plateau([rung(5, 9.0, None), rung(7, 0.5, None)], 1.0) == 7


@given(
    st.lists(st.floats(0.01, 20), min_size=8, max_size=8),
    st.floats(0.01, 20),
    st.floats(0, 5),
    st.randoms(use_true_random=False),
)
def test_a_larger_delta_never_asks_for_more_steps(highs, delta, more, shuffler):
    rungs = [rung(int(n), high / 2, high) for n, high in zip(STEPS, highs, strict=True)]
    tight, loose = plateau(rungs, delta), plateau(rungs, delta + more)
    assert tight is None or (loose is not None and loose <= tight)
    shuffler.shuffle(rungs)
    assert plateau(rungs, delta) == tight


def test_false_plateaus_are_as_rare_as_promised():
    """True mean losses are .4, .8, 1.05 and 1.6 of delta from the top down: a plateau at the third or below is false."""
    rng = np.random.default_rng(5)
    truth = {56: 0.4, 40: 0.8, 28: 1.05, 20: 1.6}
    false = found = 0
    runs = 500
    for _ in range(runs):
        hardness = np.exp(0.5 * rng.normal(size=8) - 0.125)
        rungs = []
        for steps, mean in truth.items():
            losses = (mean * hardness * np.exp(0.2 * rng.normal(size=(2, 8)) - 0.02)).ravel()
            rungs.append(rung(steps, *_mean_high(loss_bounds(losses, [*range(8)] * 2, alpha=0.05))))
        start = plateau(rungs, 1.0)
        false += start in (20, 28)
        found += start is not None
    assert false / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert found / runs > 0.85


def _mean_high(bounds):
    return bounds.mean, bounds.high


def test_clusters_are_prompts_or_seeds_of_the_one_prompt():
    assert prompts_of([("a", 1), ("a", 2), ("b", 1)]) == ["a", "a", "b"]
    assert prompts_of([("a", 1), ("a", 2)]) == [1, 2]


def test_an_interval_is_scaled_as_a_whole():
    bounds = loss_bounds([2.0, 3.0, 4.0], "abc", alpha=0.1)
    scaled = interval(bounds, 0.1, factor=0.5)
    assert (scaled.mean, scaled.high) == (bounds.mean / 2, bounds.high / 2)
    assert (scaled.prompts, scaled.method, scaled.alpha) == (3, "log-normal", 0.1)
