"""Where two samplers are the same method, they give the same latents."""

from __future__ import annotations

import numpy as np
import pytest
from sampling_oracles import karras, pointwise, run

from aldente.engine.denoise import Estimate, Query, conditional
from aldente.engine.levels import Level, exploding, flow, log_snr
from aldente.engine.samplers import find_sampler, samplers
from aldente.engine.samplers.exponential import Node
from aldente.engine.samplers.uni_pc import Step, UniPC
from aldente.engine.trajectory import Move, trajectory

X = np.random.default_rng(3).normal(size=(1, 2, 3, 3))
PLUS_PLUS = [info.name.removesuffix("_cfg_pp") for info in samplers() if info.name.endswith("_cfg_pp")]
FAMILIES = pytest.mark.parametrize("family", [exploding, flow])


def noise(sigma, sigma_next):
    return np.sin(np.arange(X.size).reshape(X.shape) + 3.0 * sigma + 5.0 * sigma_next)


def end(sampler, levels):
    x = levels[0].sigma * X
    return run(trajectory(sampler, conditional("any"), x, levels, noise), pointwise)


def built(name, **options):
    return find_sampler(name).build(**options)


def same(one, other, levels):
    np.testing.assert_allclose(end(one, levels), end(other, levels), rtol=0, atol=1e-13)


@FAMILIES
def test_ddim_without_noise_is_euler(family):
    same(built("ddim", eta=0.0), built("euler"), karras(9, family))


@FAMILIES
def test_ddpm_is_ddim_at_eta_1(family):
    same(built("ddpm"), built("ddim", eta=1.0), karras(9, family))
    same(built("ddpm", s_noise=0.0), built("ddim", eta=1.0, s_noise=0.0), karras(9, family))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 1.7])
def test_euler_a_is_ddim_on_exploding_levels(eta):
    same(built("euler_ancestral", eta=eta), built("ddim", eta=eta), karras(9))


@FAMILIES
def test_unip_2_bh2_without_corrector_is_dpmpp_2m(family):
    same(UniPC(order=2, base="bh2", corrector=False), built("dpmpp_2m"), karras(9, family))


@FAMILIES
def test_res_multistep_is_2m_with_phi_2(family):
    same(built("res_multistep"), built("dpmpp_2m_sde_heun", eta=0.0), karras(9, family))


def test_res_multistep_at_eta_1_is_2m_sde_heun_on_exploding_levels():
    same(built("res_multistep_ancestral"), built("dpmpp_2m_sde_heun", eta=1.0), karras(9))


@FAMILIES
def test_2m_sde_without_noise_is_2m(family):
    same(built("dpmpp_2m_sde", eta=0.0), built("dpmpp_2m"), karras(9, family))


@FAMILIES
def test_all_first_order_multistep_methods_are_euler(family):
    for name in ("lms", "ipndm", "deis"):
        same(built(name, order=1), built("euler"), karras(9, family))


def test_ipndm_on_equal_steps_is_lms():
    equal = tuple(exploding(float(sigma)) for sigma in np.linspace(10.0, 1.0, 12))
    same(built("ipndm"), built("lms"), equal)


@FAMILIES
def test_the_corrected_3m_step_is_the_exponential_adams_step_through_three_estimates(family):
    levels = karras(9, family)
    past = tuple(Node(log_snr(level), np.cos(k + X)) for k, level in enumerate(levels[1::-1]))
    move = Move(levels[2], levels[3], 2, 9)
    corrected = built("dpmpp_3m_sde_corrected", eta=0.0).step(conditional("any"), X, move, past, noise)
    adams = UniPC(order=3, corrector=False).step(conditional("any"), X, move, Step(levels[1], X, past), noise)
    np.testing.assert_allclose(run(corrected, pointwise)[0], run(adams, pointwise)[0], rtol=0, atol=1e-13)


@FAMILIES
@pytest.mark.parametrize(
    "name", ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2s_ancestral", "res_multistep", "res_multistep_ancestral"]
)
def test_cfg_plus_plus_without_guidance_is_the_sampler_itself(name, family):
    same(built(f"{name}_cfg_pp"), built(name), karras(9, family))


def guided(x, level):
    """Guidance whose two estimates differ by the same 0.3 everywhere."""
    (base,) = yield [Query(x, level, "any")]
    return Estimate(base + 0.3, base)


def one_step(sampler, level, target, memory=None):
    x = 2.0 * X
    return run(sampler.step(guided, x, Move(level, target, 0, 1), memory, noise), pointwise)


@pytest.mark.parametrize(("level", "target"), [(Level(1.0, 2.0), Level(1.0, 1.1)), (Level(0.3, 0.7), Level(0.5, 0.5))])
def test_cfg_plus_plus_renoises_along_the_base_estimate(level, target):
    base = pointwise(2.0 * X, level)
    noise_there = (2.0 * X - level.alpha * base) / level.sigma
    expected = target.alpha * (base + 0.3) + target.sigma * noise_there
    for name in ("euler_cfg_pp", "dpmpp_2m_cfg_pp", "res_multistep_cfg_pp"):
        np.testing.assert_allclose(one_step(built(name), level, target)[0], expected, rtol=0, atol=1e-13)


def test_2s_cfg_plus_plus_asks_half_way_and_renoises_along_the_first_base_estimate():
    level, middle, target = exploding(2.0), exploding(1.0), exploding(0.5)
    base = pointwise(2.0 * X, level)
    there = (base + 0.3) + 0.5 * (2.0 * X - base)
    half_way = pointwise(there, middle) + 0.3
    expected = half_way + 0.25 * (2.0 * X + 0.3 - half_way)
    x, _ = one_step(built("dpmpp_2s_ancestral_cfg_pp", eta=0.0), level, target)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-13)


def test_lcm_is_the_estimate_under_new_noise():
    level, target = flow(0.8), flow(0.4)
    x, _ = run(built("lcm").step(conditional("any"), X, Move(level, target, 0, 1), None, noise), pointwise)
    np.testing.assert_allclose(x, 0.6 * pointwise(X, level) + 0.4 * noise(0.8, 0.4), rtol=0, atol=1e-15)
