"""The table of samplers: names, options, and what a run is made of."""

from __future__ import annotations

import dataclasses
import math
from inspect import signature

import pytest
from sampling_oracles import silent

from aldente.engine.churn import Churn
from aldente.engine.errors import UserError
from aldente.engine.levels import exploding_levels
from aldente.engine.samplers import collapse, find_sampler, prepare, samplers
from aldente.engine.samplers.cfg_pp import CFGPlusPlus
from aldente.engine.samplers.euler import Euler, EulerAncestral
from aldente.engine.samplers.table import TABLE, index

LEVELS = exploding_levels([10.0, 3.0, 1.0, 0.2, 0.0])


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Euler a", "euler_ancestral"),
        ("k_euler_a", "euler_ancestral"),
        ("EulerAncestralDiscreteScheduler", "euler_ancestral"),
        ("EulerAncestralDiscrete", "euler_ancestral"),
        ("DPM++ 2M", "dpmpp_2m"),
        ("dpm++2m", "dpmpp_2m"),
        ("dpmpp-2m", "dpmpp_2m"),
        ("sample_dpmpp_2m", "dpmpp_2m"),
        ("DPMSolverMultistepScheduler", "dpmpp_2m"),
        ("dpmpp_3m_sde_gpu", "dpmpp_3m_sde"),
        ("dpm++ 2s a", "dpmpp_2s_ancestral"),
        ("DDIM CFG++", "euler_cfg_pp"),
        ("UniPC", "uni_pc"),
        ("UniPCMultistepScheduler", "uni_pc_bh2"),
        ("DPM2 a", "dpm_2_ancestral"),
        ("KDPM2DiscreteScheduler", "dpm_2"),
        ("DPM fast", "dpm_fast"),
        ("SASolverScheduler", "sa_solver"),
    ],
)
def test_a_sampler_is_found_under_the_name_of_every_program(spelling, name):
    assert find_sampler(spelling).name == name


@pytest.mark.parametrize("info", samplers(), ids=lambda info: info.name)
def test_every_name_title_and_alias_leads_to_its_sampler(info):
    for spelling in (info.name, info.title, info.name.upper(), *info.aliases, *(f"{alias}Scheduler" for alias in info.aliases)):
        assert find_sampler(spelling) is info


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"sampler 'eluer' is not known; did you mean 'euler'\? Known: "):
        find_sampler("eluer")


def test_two_samplers_of_one_name_are_refused():
    twin = dataclasses.replace(find_sampler("heun"), name="other", aliases=("EULER",), title="Other")
    with pytest.raises(ValueError, match="two samplers are called 'euler': euler and other"):
        index((*TABLE, twin))


@pytest.mark.parametrize("info", samplers(), ids=lambda info: info.name)
def test_a_sampler_takes_exactly_the_options_that_it_honours(info):
    values = {"eta": 0.25, "s_noise": 0.5, "order": 2, "tau": 0.75, "calls": 9, "rtol": 0.1, "atol": 0.2, "h_init": 0.3}
    own = {name: values[name] for name in info.own_options}
    built = info.build(**own)
    inner = built.inner if isinstance(built, CFGPlusPlus) else built
    assert {name: getattr(inner, name) for name in own} == own
    assert info.build(**dict.fromkeys(own)) == info.build()
    for name in set(values) - set(info.options):
        with pytest.raises(UserError, match=f"sampler '{info.name}' has no option '{name}'; it takes "):
            info.build(**{name: values[name]})


def test_the_options_of_churn_belong_to_the_run():
    assert find_sampler("euler").build(s_churn=3.0, s_noise=1.1) == Euler()
    assert find_sampler("heun").options == ("s_churn", "s_tmin", "s_tmax", "s_noise")
    assert find_sampler("euler_ancestral").options == ("eta", "s_noise")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("euler", {"s_churn": -1.0}, "sampler 'euler': s_churn is -1.0; it must be 0 or more."),
        ("ddim", {"eta": -0.1}, "sampler 'ddim': eta is -0.1; it must be 0 or more."),
        ("lms", {"order": 5}, "sampler 'lms': order 5 is not possible; choose one from 1 to 4."),
        ("uni_pc", {"order": 0}, "sampler 'uni_pc': order 0 is not possible; choose one from 1 to 3."),
        ("dpm_adaptive", {"order": 1}, "sampler 'dpm_adaptive': order 1 is not possible; choose 2 or 3."),
        ("dpm_adaptive", {"rtol": 0.0}, "sampler 'dpm_adaptive': rtol, atol and h_init must be greater than 0."),
        ("dpm_fast", {"calls": 0}, "sampler 'dpm_fast': 0 calls are not possible; it needs at least 1."),
        ("lcm", {"eta": 1.0}, "sampler 'lcm' has no option 'eta'; it takes none."),
    ],
)
def test_impossible_options_are_refused_with_what_is_possible(name, options, message):
    with pytest.raises(UserError) as raised:
        find_sampler(name).build(**options)
    assert str(raised.value) == message


def test_a_run_with_churn_is_lifted_and_one_without_is_not():
    options = {"s_churn": 3.0, "s_tmax": 5.0, "s_noise": 1.1}
    sampler, levels, lift = prepare(find_sampler("euler"), LEVELS, silent, options)
    assert (sampler, levels) == (Euler(), LEVELS)
    assert lift == Churn(noise=silent, s_churn=3.0, s_tmin=0.0, s_tmax=5.0, s_noise=1.1)
    assert prepare(find_sampler("euler"), LEVELS, silent, {"s_tmax": 5.0}).lift is None
    ancestral = prepare(find_sampler("euler a"), LEVELS, silent, {"s_noise": 1.1, "eta": None})
    assert ancestral == (EulerAncestral(s_noise=1.1), LEVELS, None)


def test_whole_runs_see_the_first_the_last_positive_and_the_final_level():
    ends = (LEVELS[0], LEVELS[3], LEVELS[4])
    assert collapse(LEVELS) == ends
    assert collapse(LEVELS[:-1]) == ends[:-1]
    assert collapse((LEVELS[0], LEVELS[4])) == (LEVELS[0], LEVELS[4])
    assert prepare(find_sampler("dpm_adaptive"), LEVELS, silent, {}).levels == ends


def test_dpm_fast_makes_as_many_calls_as_there_are_steps():
    assert prepare(find_sampler("dpm_fast"), LEVELS, silent, {}).sampler.calls == 3
    assert prepare(find_sampler("dpm_fast"), LEVELS[:-1], silent, {}).sampler.calls == 3
    assert prepare(find_sampler("dpm_fast"), LEVELS, silent, {"calls": 12}).sampler.calls == 12
    assert prepare(find_sampler("dpm_fast"), (LEVELS[0], LEVELS[4]), silent, {}).sampler.calls == 1


def test_the_defaults_of_the_uis_are_in_the_table():
    karras = {info.name for info in samplers() if info.schedule == "karras"}
    assert {"dpmpp_2m", "dpmpp_sde", "dpmpp_2s_ancestral", "dpm_2", "dpm_2_ancestral"} <= karras
    exponential = {info.name for info in samplers() if info.schedule == "exponential"}
    assert exponential == {"dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde", "dpmpp_3m_sde_corrected"}
    discarding = {info.name for info in samplers() if info.discard_next_to_last}
    assert discarding == {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}
    assert [info.name for info in samplers() if not info.converges] == ["lcm"]


def test_samplers_are_frozen_values_with_the_same_step():
    names = ["denoise", "x", "move", "memory", "noise"]
    for info in samplers():
        sampler = info.build()
        assert sampler == info.build()
        assert hash(sampler) == hash(info.build())
        assert list(signature(sampler.step).parameters) == names
        with pytest.raises(dataclasses.FrozenInstanceError):
            sampler.eta = math.pi
