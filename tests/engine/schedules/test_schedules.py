"""Every schedule: the laws all obey, the numbers each is known for, and what users can get wrong."""

from __future__ import annotations

import doctest
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution

from aldente.engine.errors import UserError
from aldente.engine.schedules import table
from aldente.engine.schedules.flow import flux_mu
from aldente.engine.schedules.span import STABLE_DIFFUSION, Span, ramp, scaled_linear_betas, training_sigmas
from aldente.engine.schedules.table import build_schedule, find_schedule, schedules, spellings

NAMES = [info.name for info in schedules() if info.name != "custom"]
FLOW = Span(sigma_min=0.001, sigma_max=1.0, sigmas=tuple((i + 1) / 1000 for i in range(1000)))
RECORDED = Path(__file__).parents[2] / "fixtures" / "k_diffusion" / "schedules.npz"


@st.composite
def spans(draw: st.DrawFn) -> Span:
    low = draw(st.floats(1e-3, 1.0))
    return Span(sigma_min=low, sigma_max=low * draw(st.floats(2.0, 1e4)))


@pytest.mark.parametrize("name", NAMES)
@given(steps=st.integers(1, 300), span=st.one_of(st.just(Span()), st.just(FLOW), spans()))
def test_has_one_more_level_than_steps_falls_strictly_and_ends_at_zero(name: str, steps: int, span: Span) -> None:
    sigmas = build_schedule(name, steps, span)
    assert len(sigmas) == steps + 1
    assert all(a > b for a, b in pairwise(sigmas))
    assert sigmas[-1] == 0.0
    assert all(type(s) is float for s in sigmas)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [999, 1000, 1001])
def test_more_steps_than_training_levels_repeat_none(name: str, steps: int) -> None:
    assert len(set(build_schedule(name, steps))) == steps + 1


@pytest.mark.parametrize("name", ["karras", "exponential", "polyexponential", "kl_optimal", "beta_sigma", "uniform"])
@given(steps=st.integers(2, 100), span=spans())
def test_starts_at_sigma_max_and_passes_sigma_min_exactly(name: str, steps: int, span: Span) -> None:
    sigmas = build_schedule(name, steps, span)
    assert (sigmas[0], sigmas[-2]) == (span.sigma_max, span.sigma_min)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"ddim_uniform", "vp", "ays_sd1", "ays_sdxl"}))
@given(span=spans(), steps=st.integers(1, 50))
def test_every_schedule_of_the_span_starts_at_sigma_max(name: str, span: Span, steps: int) -> None:
    assert build_schedule(name, steps, span)[0] == span.sigma_max


def test_stable_diffusions_levels_are_the_known_ones() -> None:
    assert STABLE_DIFFUSION[0] == pytest.approx(0.0291672, abs=5e-8)
    assert STABLE_DIFFUSION[-1] == pytest.approx(14.6146, abs=5e-5)
    assert scaled_linear_betas()[0] == pytest.approx(0.00085, rel=1e-12)


def test_training_levels_without_any_signal_are_infinite() -> None:
    assert training_sigmas([0.5, 1.0]) == (1.0, math.inf)


@given(st.floats(-200.0, 1200.0))
def test_timesteps_and_sigmas_are_inverse_also_beyond_the_table(timestep: float) -> None:
    assert Span().timestep(Span().sigma(timestep)) == pytest.approx(timestep, abs=1e-8)


@pytest.mark.parametrize("index", [0, 1, 500, 999])
def test_whole_timesteps_are_the_table_itself(index: int) -> None:
    assert Span().sigma(index) == STABLE_DIFFUSION[index]
    assert Span().timestep(STABLE_DIFFUSION[index]) == index


def test_karras_is_even_in_the_seventh_root() -> None:
    roots = np.array(build_schedule("karras", 12)[:-1]) ** (1 / 7)
    np.testing.assert_allclose(np.diff(roots), np.diff(roots)[0], rtol=1e-12)


def test_exponential_is_even_in_the_logarithm_and_is_polyexponential_one() -> None:
    sigmas = build_schedule("exponential", 12)
    np.testing.assert_allclose(np.diff(np.log(sigmas[:-1])), np.diff(np.log(sigmas[:-1]))[0], rtol=1e-10)
    assert sigmas == build_schedule("polyexponential", 12, options={"rho": 1.0})


def test_kl_optimal_is_even_in_the_arc_tangent() -> None:
    angles = np.arctan(build_schedule("kl_optimal", 12)[:-1])
    np.testing.assert_allclose(np.diff(angles), np.diff(angles)[0], rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "steps", "timesteps"),
    [
        ("uniform", 4, [999, 666, 333, 0]),
        ("sgm_uniform", 3, [999, 666, 333]),
        ("simple", 3, [999, 666, 333]),
        ("simple", 7, [999, 857, 714, 571, 428, 285, 142]),
        ("ddim_uniform", 4, [751, 501, 251, 1]),
        ("ddim_uniform", 20, list(range(951, 0, -50))),
        ("ddim_uniform", 30, list(range(958, 0, -33))),
        ("ddim_uniform", 1, [1]),
        ("ddim_uniform", 1000, list(range(999, -1, -1))),
        ("trailing", 4, [999, 749, 499, 249]),
        ("trailing", 3, [999, 666, 332]),
        ("turbo", 4, [999, 899, 799, 699]),
        ("turbo", 10, list(range(999, 0, -100))),
        ("turbo", 20, list(range(999, 0, -50))),
    ],
)
def test_counts_in_the_models_timesteps(name: str, steps: int, timesteps: list[int]) -> None:
    assert build_schedule(name, steps)[:-1] == pytest.approx([STABLE_DIFFUSION[t] for t in timesteps], rel=1e-12)


@pytest.mark.parametrize("steps", [1, 10, 20, 30])
def test_beta_rounds_the_quantiles_to_timesteps_as_comfyui_does(steps: int) -> None:
    places = 1.0 - np.linspace(0.0, 1.0, steps, endpoint=False)
    timesteps = np.rint(beta_distribution.ppf(places, 0.6, 0.6) * 999).astype(int)
    assert build_schedule("beta", steps)[:-1] == tuple(STABLE_DIFFUSION[t] for t in timesteps)


def test_beta_keeps_fractions_where_rounding_would_repeat_a_timestep() -> None:
    sigmas = build_schedule("beta", 400)
    timesteps = np.array([Span().timestep(s) for s in sigmas[:-1]])
    np.testing.assert_allclose(timesteps, 999 * beta_distribution.ppf(1.0 - np.arange(400) / 400, 0.6, 0.6), atol=1e-6)


def test_beta_sigma_lays_the_quantiles_on_sigma() -> None:
    sigmas = np.array(build_schedule("beta_sigma", 9, options={"alpha": 0.5, "beta": 0.7})[:-1])
    shares = (sigmas - STABLE_DIFFUSION[0]) / (STABLE_DIFFUSION[-1] - STABLE_DIFFUSION[0])
    np.testing.assert_allclose(shares, beta_distribution.ppf(np.linspace(1.0, 0.0, 9), 0.5, 0.7), atol=1e-10)


def test_linear_quadratic_meets_smoothly_at_its_threshold() -> None:
    gone = 1.0 - np.array(build_schedule("linear_quadratic", 40, FLOW))
    assert gone[20] == pytest.approx(0.025)
    np.testing.assert_allclose(np.diff(gone[:21]), 0.025 / 20, rtol=1e-9)
    bends = np.diff(gone[20:], 2)
    np.testing.assert_allclose(bends, bends[0], rtol=1e-9)
    assert gone[21] - gone[20] == pytest.approx(0.025 / 20 + bends[0] / 2)


def test_align_your_steps_is_the_published_table_with_its_last_level_replaced() -> None:
    assert build_schedule("ays", 10)[:-1] == (14.6146, 6.4746, 3.8637, 2.6946, 1.8842, 1.3944, 0.9643, 0.6524, 0.3977, 0.1515)
    assert build_schedule("AYS SDXL", 11, options={"appended": True})[-3:] == (0.1114, 0.0292, 0.0)


def test_align_your_steps_lies_on_the_tables_line_in_the_logarithm() -> None:
    doubled = build_schedule("ays_sdxl", 20)
    assert doubled[0:20:2] == pytest.approx(build_schedule("ays_sdxl", 10)[:-1], rel=1e-12)
    assert doubled[1] == pytest.approx(math.sqrt(14.6146 * 6.3184), rel=1e-12)


def test_align_your_steps_stretches_onto_another_span() -> None:
    span = Span(sigma_min=0.01, sigma_max=80.0)
    sigmas = np.log(build_schedule("ays_sd1", 11, span, {"appended": True})[:-1])
    table = np.log([*build_schedule("ays_sd1", 10)[:-1], 0.0292])
    np.testing.assert_allclose(np.corrcoef(sigmas, table)[0, 1], 1.0, rtol=1e-12)
    assert sigmas[0] == math.log(80.0)
    assert sigmas[-1] == pytest.approx(math.log(0.01))


def test_vp_is_even_in_the_time_of_its_sde() -> None:
    sigmas = np.array(build_schedule("vp", 11)[:-1])
    times = (-0.1 + np.sqrt(0.01 + 2 * 19.9 * np.log1p(sigmas**2))) / 19.9
    np.testing.assert_allclose(times, np.linspace(1.0, 1e-3, 11), rtol=1e-9)


def test_flow_is_shifted_once() -> None:
    assert build_schedule("flow", 4, FLOW) == (1.0, 0.75, 0.5, 0.25, 0.0)
    assert build_schedule("flow", 4, FLOW, {"shift": 3.0}) == pytest.approx((1.0, 0.9, 0.75, 0.5, 0.0))


@pytest.mark.parametrize(("tokens", "mu"), [(256, 0.5), (4096, 1.15), (2176, 0.825)])
def test_flux_shifts_by_the_size_of_the_latent(tokens: int, mu: float) -> None:
    assert flux_mu(tokens) == pytest.approx(mu)
    sigmas = build_schedule("flow_dynamic", 2, FLOW, {"tokens": tokens})
    assert sigmas[1] == pytest.approx(math.exp(mu) / (math.exp(mu) + 1.0))


@given(st.integers(1, 40))
def test_custom_levels_are_resampled_in_the_logarithm(steps: int) -> None:
    learned = build_schedule("exponential", 8)
    assert build_schedule("custom", 8, options={"sigmas": learned}) == learned
    assert build_schedule("custom", 8, options={"sigmas": learned[:-1]}) == learned
    resampled = build_schedule("custom", steps, options={"sigmas": learned})
    assert resampled == pytest.approx(build_schedule("exponential", steps), rel=1e-9)


def test_one_custom_level_makes_one_step() -> None:
    assert build_schedule("custom", 1, options={"sigmas": [3]}) == (3.0, 0.0)
    with pytest.raises(UserError, match="makes 1 step, not 2"):
        build_schedule("custom", 2, options={"sigmas": [3.0, 0.0]})


@pytest.mark.parametrize(
    "sigmas", [[], [0.0], [1.0, 2.0], [1.0, 1.0], [1.0, -1.0], [math.inf, 1.0], [math.nan, 1.0], [2.0, 0.0, 0.0]]
)
def test_custom_levels_must_fall(sigmas: list[float]) -> None:
    with pytest.raises(UserError, match="strictly falling"):
        build_schedule("custom", 2, options={"sigmas": sigmas})


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Karras", "karras"),
        ("SGM Uniform", "sgm_uniform"),
        ("normal", "uniform"),
        ("KL-Optimal", "kl_optimal"),
        ("DDIM", "ddim_uniform"),
    ],
)
def test_names_of_every_program_are_understood(typed: str, name: str) -> None:
    assert find_schedule(typed).name == name


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'karras'"):
        find_schedule("karas")


def test_two_schedules_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match=r"two schedules are called '.*karras.*': karras and karras"):
        spellings([find_schedule("karras")] * 2)


def test_options_are_read_off_the_function_that_takes_them() -> None:
    assert find_schedule("beta").options == {"alpha": 0.6, "beta": 0.6}
    assert find_schedule("custom").options == {"sigmas": None}
    assert find_schedule("simple").options == {}


@pytest.mark.parametrize(
    ("name", "steps", "options", "message"),
    [
        ("karras", 0, {}, "needs at least 1 step; got 0"),
        ("karras", 5, {"alpha": 1.0}, "has no option 'alpha'; it has: rho"),
        ("simple", 5, {"rho": 1.0}, "it has: none"),
        ("custom", 5, {}, "needs 'sigmas'"),
        ("karras", 5, {"rho": 0.0}, "cannot be built in 5 steps"),
        ("polyexponential", 5, {"rho": 0.0}, "does not fall strictly"),
        ("beta", 5, {"alpha": -1.0}, "above 0; got -1 and 0.6"),
    ],
)
def test_what_cannot_be_built_is_said(name: str, steps: int, options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_schedule(name, steps, options=options)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (1.0, math.inf), (math.nan, 1.0)])
def test_a_span_must_span_something(ends: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="is no span"):
        Span(sigma_min=ends[0], sigma_max=ends[1])


@pytest.mark.parametrize("sigmas", [(1.0,), (0.0, 1.0), (2.0, 1.0), (1.0, 1.0)])
def test_training_levels_must_rise(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="rising order"):
        Span(sigmas=sigmas)


def test_the_example_in_the_documentation_holds() -> None:
    assert doctest.testmod(table) == doctest.TestResults(failed=0, attempted=1)


def test_a_ramp_of_one_is_its_start() -> None:
    assert ramp(3.0, 1.0, 1) == [3.0]
    assert ramp(3.0, 1.0, 3) == [3.0, 2.0, 1.0]


def test_agrees_with_k_diffusion() -> None:
    with np.load(RECORDED) as recorded:
        span = Span(sigma_min=float(recorded["sigma_min"]), sigma_max=float(recorded["sigma_max"]))
        compared = set()
        for key in set(recorded.files) - {"sigma_min", "sigma_max"}:
            name, _, written = key.partition(":")
            options = {word: float(value) for word, value in (pair.split("=") for pair in written.split(","))}
            steps = int(options.pop("n"))
            sigmas = build_schedule(name, steps, span, options)
            np.testing.assert_allclose(sigmas, recorded[key], rtol=1e-9, atol=1e-12, err_msg=key)
            compared.add(name)
    assert compared == {"karras", "exponential", "polyexponential", "vp"}
