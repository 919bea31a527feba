"""Every deterministic sampler converges at its order: guided mixture, exact score, no final jump, exact histories."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sampling_oracles import SIGMA_MAX, START, end_error, exact_end, fitted_order, guided_mixture, karras, run, silent

from aldente.engine.denoise import conditional
from aldente.engine.levels import exploding, flow
from aldente.engine.samplers import find_sampler, samplers
from aldente.engine.trajectory import Move

STEPS = (80, 160, 320, 640)
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6)
STILL = {"eta": 0.0, "tau": 0.0}
FAMILIES = pytest.mark.parametrize("family", [exploding, flow])


def built(name: str, **options):
    """The sampler without noise."""
    info = find_sampler(name)
    return info.build(**{key: value for key, value in STILL.items() if key in info.options}, **options)


# Lowest and highest slope: the order of the method +-.15, unless a comment says otherwise.
BANDS = {
    ("euler", None): (0.85, 1.15),
    ("euler_ancestral", None): (0.85, 1.15),
    ("ddim", None): (0.85, 1.15),
    ("heun", None): (1.85, 2.15),
    ("dpm_2", None): (1.85, 2.15),
    ("dpm_2_ancestral", None): (1.85, 2.15),
    ("lms", 1): (0.85, 1.15),
    ("lms", 2): (1.85, 2.15),
    ("lms", 3): (2.85, 3.15),
    # Exploding levels: 3.94. Flow levels: 4.06.
    ("lms", 4): (3.7, 4.1),
    ("dpmpp_2s_ancestral", None): (1.85, 2.15),
    ("dpmpp_sde", None): (1.85, 2.15),
    ("dpmpp_2m", None): (1.85, 2.15),
    ("dpmpp_2m_sde", None): (1.85, 2.15),
    ("dpmpp_2m_sde_heun", None): (1.85, 2.15),
    ("dpmpp_3m_sde", None): (1.85, 2.15),
    ("dpmpp_3m_sde_corrected", None): (2.85, 3.15),
    # The corrector adds one order to the predictor's.
    ("uni_pc", 1): (1.85, 2.15),
    ("uni_pc", 2): (2.85, 3.15),
    ("uni_pc", 3): (3.0, 4.15),
    ("uni_pc_bh2", 1): (1.85, 2.15),
    ("uni_pc_bh2", 2): (2.85, 3.15),
    ("uni_pc_bh2", 3): (3.0, 4.15),
    ("sa_solver", 1): (1.85, 2.15),
    ("sa_solver", 2): (2.85, 3.15),
    ("sa_solver", 3): (3.6, 4.15),
    ("deis", 1): (0.85, 1.15),
    ("deis", 2): (1.85, 2.15),
    ("deis", 3): (2.85, 3.15),
    ("deis", 4): (3.6, 4.15),
    # On unequal steps the weights of equal ones cannot be of a higher order than 2.
    ("ipndm", 4): (1.85, 2.15),
    ("res_multistep", None): (1.85, 2.15),
    ("res_multistep_ancestral", None): (1.85, 2.15),
    # Without guidance; with it CFG++ moves the latent once a step and is no method of integration.
    ("euler_cfg_pp", None): (0.85, 1.15),
    ("euler_ancestral_cfg_pp", None): (0.85, 1.15),
    ("dpmpp_2m_cfg_pp", None): (1.85, 2.15),
    ("dpmpp_2s_ancestral_cfg_pp", None): (1.85, 2.15),
    ("res_multistep_cfg_pp", None): (1.85, 2.15),
    ("res_multistep_ancestral_cfg_pp", None): (1.85, 2.15),
}


@FAMILIES
@pytest.mark.parametrize(("name", "order"), BANDS)
def test_the_error_falls_at_the_order_of_the_method(name, order, family):
    sampler = built(name, order=order)
    errors = [end_error(sampler, karras(steps, family)) for steps in STEPS]
    low, high = BANDS[name, order]
    assert low <= fitted_order(STEPS, errors) <= high


def test_every_sampler_with_a_limit_has_a_proven_order():
    # DDPM and ER-SDE cannot be run without noise (see test_sampler_variance.py); whole runs are below.
    proven = {name for name, _ in BANDS} | {"ddpm", "er_sde", "dpm_fast", "dpm_adaptive", "dpmpp_2m_adaptive"}
    assert {info.name for info in samplers() if info.converges} == proven


def test_the_table_states_the_orders_of_deterministic_samplers():
    for info in samplers():
        if info.name in {name for name, _ in BANDS} and not info.stochastic:
            low, high = BANDS.get((info.name, None)) or BANDS[info.name, info.build().order]
            assert low <= info.order <= high, info.name


def test_lms_is_of_order_two_from_a_cold_start():
    steps = (640, 1280, 2560)
    errors = [end_error(built("lms"), karras(count), seeded=0) for count in steps]
    assert 1.85 <= fitted_order(steps, errors) <= 2.15


def whole_run(sampler, family):
    """The error at sigma_min of a sampler of whole runs and the number of its evaluations."""
    first, last = karras(1, family)
    asked = []

    def estimate(x, level):
        asked.append(level)
        return guided_mixture(x, level)

    x = first.alpha * SIGMA_MAX * START
    x, _ = run(sampler.step(conditional("any"), x, Move(first, last, 0, 1), None, silent), estimate)
    return float(np.abs(x / last.alpha - exact_end()).max()), len(asked)


@FAMILIES
def test_dpm_fast_spends_its_calls_and_is_of_order_three(family):
    calls = (83, 164, 323, 644)
    runs = [whole_run(built("dpm_fast", calls=count), family) for count in calls]
    assert [asked for _, asked in runs] == list(calls)
    assert 2.85 <= fitted_order(calls, [error for error, _ in runs]) <= 3.15


@FAMILIES
@pytest.mark.parametrize(("order", "low", "high"), [(2, 1.85, 2.15), (3, 2.7, 3.3)])
def test_dpm_adaptive_gains_its_order_per_call_as_the_tolerance_falls(order, low, high, family):
    # Measured over calls and not over steps of one width, so the slope of order 3 wanders by some tenths.
    runs = [
        whole_run(built("dpm_adaptive", order=order, rtol=rtol, atol=rtol / 10), family) for rtol in (1e-3, 1e-4, 1e-5, 1e-6)
    ]
    errors, calls = zip(*runs, strict=True)
    assert all(a > b for a, b in pairwise(errors))
    assert low <= fitted_order(calls, errors) <= high


@FAMILIES
def test_dpmpp_2m_adaptive_is_of_order_two_per_call_as_the_tolerance_falls(family):
    runs = [whole_run(built("dpmpp_2m_adaptive", rtol=rtol), family) for rtol in (1e-3, 3e-4, 1e-4, 3e-5, 1e-5)]
    errors, calls = zip(*runs, strict=True)
    assert all(a > b for a, b in pairwise(errors))
    assert 1.8 <= fitted_order(calls, errors) <= 2.3
