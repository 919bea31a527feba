"""What stochastic samplers do to the variance of Gaussian data, exactly: coefficients of noises are carried, none is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from sampling_oracles import brownian, fitted_order, independent, karras, variance_error

from aldente.engine.levels import exploding, flow
from aldente.engine.samplers import find_sampler, samplers

STOCHASTIC = [info for info in samplers() if info.stochastic and info.converges]
STEPS = (80, 160, 320, 640)


@pytest.mark.parametrize("family", [exploding, flow])
@pytest.mark.parametrize("info", STOCHASTIC, ids=lambda info: info.name)
def test_the_variance_converges_at_the_weak_order_that_the_table_states(info, family):
    errors = [abs(variance_error(info.build(), karras(steps, family), brownian)) for steps in STEPS]
    assert fitted_order(STEPS, errors) == pytest.approx(info.order, abs=0.15)


@pytest.mark.parametrize("eta", [0.3, 0.7])
@pytest.mark.parametrize("info", [info for info in STOCHASTIC if "eta" in info.options], ids=lambda info: info.name)
def test_the_variance_converges_under_less_noise_too(info, eta):
    errors = [abs(variance_error(info.build(eta=eta), karras(steps), brownian)) for steps in STEPS]
    assert errors[-1] < 0.03
    assert fitted_order(STEPS, errors) > 0.85


def test_dpmpp_sde_needs_both_its_noises_from_one_path():
    # 20 steps, unit variance: -22.3 % with independent noises, -2.1 % with one Brownian path.
    sampler = find_sampler("dpmpp_sde").build()
    assert variance_error(sampler, karras(20), independent) == pytest.approx(-0.223, abs=0.002)
    assert variance_error(sampler, karras(20), brownian) == pytest.approx(-0.0214, abs=0.001)
    errors = [abs(variance_error(sampler, karras(steps), independent)) for steps in STEPS]
    assert fitted_order(STEPS, errors) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("info", [info for info in STOCHASTIC if info.name != "dpmpp_sde"], ids=lambda info: info.name)
def test_samplers_with_one_noise_a_step_do_not_care_whether_it_lies_on_a_path(info):
    # SA-Solver's corrector uses a step's noise twice, but it is the same noise.
    levels = karras(12)
    assert variance_error(info.build(), levels, brownian) == pytest.approx(variance_error(info.build(), levels, independent))


def test_er_sde_integrates_its_noise_scale_well_enough_for_order_two():
    # A Riemann sum of 200 points, the usual way, leaves an error that stops falling; ours keeps falling.
    sampler = find_sampler("er_sde").build()
    errors = [abs(variance_error(sampler, karras(steps), brownian)) for steps in (640, 1280, 2560)]
    assert fitted_order((640, 1280, 2560), errors) == pytest.approx(2.0, abs=0.1)
    assert np.all(np.diff(errors) < 0)
