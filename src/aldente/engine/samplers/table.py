"""The table of samplers: the one place where they are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from aldente.engine.errors import unknown
from aldente.engine.samplers.adams import DEIS, IPNDM, LMS
from aldente.engine.samplers.adaptive import DPMpp2MAdaptive
from aldente.engine.samplers.cfg_pp import CFGPlusPlus
from aldente.engine.samplers.ddim import DDIM, DDPM, LCM
from aldente.engine.samplers.dpm import DPMAdaptive, DPMFast
from aldente.engine.samplers.dpmpp_multistep import DPMpp2M, DPMpp2MSDE, DPMpp3MSDE
from aldente.engine.samplers.dpmpp_single import DPMpp2SAncestral, DPMppSDE
from aldente.engine.samplers.er_sde import ERSDE
from aldente.engine.samplers.euler import Euler, EulerAncestral
from aldente.engine.samplers.info import SamplerInfo
from aldente.engine.samplers.res import ResMultistep
from aldente.engine.samplers.runge_kutta import DPM2, DPM2Ancestral, Heun
from aldente.engine.samplers.sa_solver import SASolver
from aldente.engine.samplers.uni_pc import UniPC
from aldente.engine.spelling import indexed
from aldente.engine.trajectory import Sampler

NOISE = ("eta", "s_noise")


def _plus_plus(inner: Callable[..., Sampler]) -> Callable[..., Sampler]:
    """What makes the CFG++ form of the sampler that ``inner`` makes."""

    def make(**options: Any) -> CFGPlusPlus:
        return CFGPlusPlus(inner=inner(**options))

    return make


TABLE = (
    SamplerInfo(
        name="euler",
        title="Euler",
        make=Euler,
        order=1,
        churns=True,
        aliases=("k_euler", "EulerDiscrete", "FlowMatchEulerDiscrete"),
    ),
    SamplerInfo(
        name="euler_ancestral",
        title="Euler a",
        make=EulerAncestral,
        order=1,
        own_options=NOISE,
        stochastic=True,
        aliases=("k_euler_a", "k_euler_ancestral", "EulerAncestralDiscrete"),
    ),
    SamplerInfo(
        name="heun",
        title="Heun",
        make=Heun,
        order=2,
        calls_per_step=2,
        churns=True,
        aliases=("k_heun", "HeunDiscrete", "FlowMatchHeunDiscrete"),
    ),
    SamplerInfo(
        name="dpm_2",
        title="DPM2",
        make=DPM2,
        order=2,
        calls_per_step=2,
        churns=True,
        schedule="karras",
        discard_next_to_last=True,
        aliases=("k_dpm_2", "KDPM2Discrete"),
    ),
    SamplerInfo(
        name="dpm_2_ancestral",
        title="DPM2 a",
        make=DPM2Ancestral,
        order=2,
        own_options=NOISE,
        calls_per_step=2,
        stochastic=True,
        schedule="karras",
        discard_next_to_last=True,
        aliases=("k_dpm_2_a", "k_dpm_2_ancestral", "KDPM2AncestralDiscrete"),
    ),
    SamplerInfo(
        name="lms",
        title="LMS",
        make=LMS,
        order=4,
        own_options=("order",),
        multistep=True,
        aliases=("k_lms", "LMSDiscrete"),
    ),
    SamplerInfo(
        name="dpmpp_2s_ancestral",
        title="DPM++ 2S a",
        make=DPMpp2SAncestral,
        order=2,
        own_options=NOISE,
        calls_per_step=2,
        stochastic=True,
        schedule="karras",
        aliases=("k_dpmpp_2s_a", "k_dpmpp_2s_ancestral"),
    ),
    SamplerInfo(
        name="dpmpp_2m",
        title="DPM++ 2M",
        make=DPMpp2M,
        order=2,
        multistep=True,
        schedule="karras",
        aliases=("k_dpmpp_2m", "DPMSolverMultistep"),
    ),
    SamplerInfo(
        name="dpmpp_sde",
        title="DPM++ SDE",
        make=DPMppSDE,
        order=2,
        own_options=NOISE,
        calls_per_step=2,
        stochastic=True,
        schedule="karras",
        aliases=("k_dpmpp_sde", "dpmpp_sde_gpu", "DPMSolverSDE"),
    ),
    SamplerInfo(
        name="dpmpp_2m_sde",
        title="DPM++ 2M SDE",
        make=DPMpp2MSDE,
        order=2,
        own_options=NOISE,
        stochastic=True,
        multistep=True,
        schedule="exponential",
        aliases=("k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_midpoint"),
    ),
    SamplerInfo(
        name="dpmpp_2m_sde_heun",
        title="DPM++ 2M SDE Heun",
        make=partial(DPMpp2MSDE, correction="heun"),
        order=2,
        own_options=NOISE,
        stochastic=True,
        multistep=True,
        schedule="exponential",
        aliases=("k_dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu"),
    ),
    SamplerInfo(
        name="dpmpp_3m_sde",
        title="DPM++ 3M SDE",
        make=DPMpp3MSDE,
        order=2,
        own_options=NOISE,
        stochastic=True,
        multistep=True,
        schedule="exponential",
        aliases=("k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
    ),
    SamplerInfo(
        name="dpmpp_3m_sde_corrected",
        title="DPM++ 3M SDE corrected",
        make=partial(DPMpp3MSDE, curvature=2.0),
        order=2,
        own_options=NOISE,
        stochastic=True,
        multistep=True,
        schedule="exponential",
    ),
    SamplerInfo(
        name="uni_pc",
        title="UniPC",
        make=UniPC,
        order=3,
        own_options=("order",),
        multistep=True,
        discard_next_to_last=True,
        aliases=("uni_pc_bh1",),
    ),
    SamplerInfo(
        name="uni_pc_bh2",
        title="UniPC bh2",
        make=partial(UniPC, base="bh2"),
        order=3,
        own_options=("order",),
        multistep=True,
        discard_next_to_last=True,
        aliases=("UniPCMultistep",),
    ),
    SamplerInfo(name="ddim", title="DDIM", make=DDIM, order=1, own_options=NOISE),
    SamplerInfo(name="ddpm", title="DDPM", make=DDPM, order=1, own_options=("s_noise",), stochastic=True),
    SamplerInfo(
        name="deis",
        title="DEIS",
        make=DEIS,
        order=3,
        own_options=("order",),
        multistep=True,
        aliases=("DEISMultistep",),
    ),
    SamplerInfo(name="ipndm", title="iPNDM", make=IPNDM, order=2, own_options=("order",), multistep=True),
    SamplerInfo(name="res_multistep", title="Res Multistep", make=ResMultistep, order=2, own_options=NOISE, multistep=True),
    SamplerInfo(
        name="res_multistep_ancestral",
        title="Res Multistep a",
        make=partial(ResMultistep, eta=1.0),
        order=2,
        own_options=NOISE,
        stochastic=True,
        multistep=True,
    ),
    SamplerInfo(
        name="er_sde",
        title="ER-SDE",
        make=ERSDE,
        order=2,
        own_options=("order", "s_noise"),
        stochastic=True,
        multistep=True,
        aliases=("ER-SDE-3", "er_sde_solver"),
    ),
    SamplerInfo(
        name="sa_solver",
        title="SA-Solver",
        make=SASolver,
        order=2,
        own_options=("tau", "order", "s_noise"),
        stochastic=True,
        multistep=True,
        aliases=("SASolver",),
    ),
    SamplerInfo(name="lcm", title="LCM", make=LCM, order=0, stochastic=True, converges=False),
    SamplerInfo(
        name="dpm_adaptive",
        title="DPM adaptive",
        make=DPMAdaptive,
        order=3,
        own_options=("order", "rtol", "atol", "h_init", *NOISE),
        calls_per_step=3,
        whole=True,
        schedule="karras",
        aliases=("k_dpm_ad", "k_dpm_adaptive"),
    ),
    SamplerInfo(
        name="dpmpp_2m_adaptive",
        title="DPM++ 2M adaptive",
        make=DPMpp2MAdaptive,
        order=2,
        own_options=("rtol",),
        whole=True,
        schedule="karras",
    ),
    SamplerInfo(
        name="dpm_fast",
        title="DPM fast",
        make=DPMFast,
        order=3,
        own_options=("calls", *NOISE),
        whole=True,
        schedule="karras",
        aliases=("k_dpm_fast",),
    ),
    SamplerInfo(
        name="euler_cfg_pp",
        title="Euler CFG++",
        make=_plus_plus(Euler),
        order=1,
        aliases=("DDIM CFG++",),
    ),
    SamplerInfo(
        name="euler_ancestral_cfg_pp",
        title="Euler a CFG++",
        make=_plus_plus(EulerAncestral),
        order=1,
        own_options=NOISE,
        stochastic=True,
    ),
    SamplerInfo(
        name="dpmpp_2m_cfg_pp",
        title="DPM++ 2M CFG++",
        make=_plus_plus(DPMpp2M),
        order=2,
        multistep=True,
        schedule="karras",
    ),
    SamplerInfo(
        name="dpmpp_2s_ancestral_cfg_pp",
        title="DPM++ 2S a CFG++",
        make=_plus_plus(DPMpp2SAncestral),
        order=2,
        own_options=NOISE,
        calls_per_step=2,
        stochastic=True,
        schedule="karras",
    ),
    SamplerInfo(
        name="res_multistep_cfg_pp",
        title="Res Multistep CFG++",
        make=_plus_plus(ResMultistep),
        order=2,
        own_options=NOISE,
        multistep=True,
    ),
    SamplerInfo(
        name="res_multistep_ancestral_cfg_pp",
        title="Res Multistep a CFG++",
        make=_plus_plus(partial(ResMultistep, eta=1.0)),
        order=2,
        own_options=NOISE,
        stochastic=True,
        multistep=True,
    ),
)


def _plain(name: str) -> str:
    """The name as it is compared: letters and digits, '+' as 'p', without k-diffusion's and diffusers' decoration."""
    kept = "".join(c for c in name.lower().replace("+", "p") if c.isalnum())
    return kept.removesuffix("scheduler").removeprefix("sample")


def index(table: Iterable[SamplerInfo]) -> Mapping[str, SamplerInfo]:
    """Every spelling in ``table`` with its sampler. Raises ValueError where two samplers share one."""
    return indexed("sampler", table, _plain)


_INDEX = index(TABLE)


def samplers() -> tuple[SamplerInfo, ...]:
    """All samplers."""
    return TABLE


def find_sampler(name: str) -> SamplerInfo:
    """The sampler called ``name`` here, in A1111, in ComfyUI or in diffusers; case, spaces and punctuation don't matter.

    Raises UserError with the nearest known name.
    """
    found = _INDEX.get(_plain(name))
    if found is None:
        raise unknown("sampler", name, [info.name for info in TABLE])
    return found
