"""Every sampler that k-diffusion has gives k-diffusion's numbers, to 1e-9 (recorded by tests/record_k_diffusion.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sampling_oracles import pointwise, run

from aldente.engine.denoise import conditional
from aldente.engine.levels import exploding_levels
from aldente.engine.samplers import find_sampler, prepare
from aldente.engine.trajectory import trajectory

FIXTURES = Path(__file__).parents[2] / "fixtures" / "k_diffusion"
RECORDED = dict(np.load(FIXTURES / "samplers.npz"))
CASES = [name for name in RECORDED if "|" in name]


def step_noise(images: int):
    def noise(sigma: float, sigma_next: float) -> np.ndarray:
        return 2.0**0.5 * np.sin(RECORDED["phases"][:images] + 3.0 * sigma + 5.0 * sigma_next)

    return noise


def options_of(text: str) -> dict[str, float | int]:
    if text == "churn":
        return {"s_churn": 4.0, "s_tmin": 0.01, "s_tmax": 10.0, "s_noise": 1.003}
    pairs = (pair.split("=") for pair in text.split(",") if pair)
    given = {name: float(value) if name == "eta" else int(value) for name, value in pairs}
    return given | ({"s_noise": 1.05} if "eta" in given else {})


@pytest.mark.parametrize("case", CASES)
def test_a_shared_sampler_ends_where_k_diffusion_ends(case):
    # An open run ends at sigma_min. k-diffusion's LMS is recorded as such only: it integrates down to sigma 0, where a
    # run of ours denoises; and it asks its quadrature for 1e-4 only, which on these polynomials is exact all the same.
    name, run_of = case.split("|")
    name, _, text = name.partition(":")
    ended = RECORDED[case]
    sigmas = RECORDED["sigmas"] if run_of == "whole" else RECORDED["sigmas"][:-1]
    noise = step_noise(len(ended))
    churn_noise = lambda sigma, sigma_next: noise(sigma, 0.0)  # noqa: E731 (k-diffusion's does not know where it leads)

    ready = prepare(find_sampler(name), exploding_levels(sigmas), churn_noise, options_of(text))
    x = RECORDED["x"][: len(ended)]
    ours = run(trajectory(ready.sampler, conditional("any"), x, ready.levels, noise, lift=ready.lift), pointwise)

    assert np.abs(ours - ended).max() < 1e-9


def test_every_sampler_of_k_diffusion_is_among_the_recorded():
    recorded = {case.partition("|")[0].partition(":")[0] for case in CASES}
    shared = "euler euler_ancestral heun dpm_2 dpm_2_ancestral lms dpm_fast dpm_adaptive dpmpp_2s_ancestral dpmpp_sde"
    assert recorded == {*shared.split(), "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde"}
