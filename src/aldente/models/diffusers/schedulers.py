"""diffusers' schedulers that stand for our samplers and schedules, for pipelines that run their own loop."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

import diffusers

from aldente.engine.errors import UserError, unknown


class Form(NamedTuple):
    """A scheduler's class and the settings that make it the method."""

    name: str
    settings: Mapping[str, Any] = {}


_MULTISTEP = "DPMSolverMultistepScheduler"

_NOISY: Mapping[str, Form] = {
    "euler": Form("EulerDiscreteScheduler"),
    "euler_ancestral": Form("EulerAncestralDiscreteScheduler"),
    "heun": Form("HeunDiscreteScheduler"),
    "lms": Form("LMSDiscreteScheduler"),
    "dpmpp_2m": Form(_MULTISTEP, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpmpp_2m_sde": Form(_MULTISTEP, {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    "uni_pc": Form("UniPCMultistepScheduler"),
    "ddim": Form("DDIMScheduler", {"clip_sample": False}),
    "ddpm": Form("DDPMScheduler", {"clip_sample": False}),
    "lcm": Form("LCMScheduler"),
}
"""The samplers of models whose noise grows, and what stands for each."""

_AS_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}

_FLOWING: Mapping[str, Form] = {
    "euler": Form("FlowMatchEulerDiscreteScheduler"),
    "heun": Form("FlowMatchHeunDiscreteScheduler"),
    "dpmpp_2m": Form(_MULTISTEP, {**_NOISY["dpmpp_2m"].settings, **_AS_FLOW}),
    "uni_pc": Form("UniPCMultistepScheduler", _AS_FLOW),
}
"""The samplers of flows, and what stands for each."""

_CURVES = {"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas"}

_SPACINGS = {"uniform": "linspace", "trailing": "trailing", "ddim_uniform": "leading"}

FLOW = "flow"


class Way(NamedTuple):
    """A sampler and a schedule by our names."""

    sampler: str
    schedule: str


def flows(scheduler: Any) -> bool:
    """Whether a scheduler is of a flow."""
    return "FlowMatch" in type(scheduler).__name__ or bool(scheduler.config.get("use_flow_sigmas", False))


def own_way(scheduler: Any) -> Way:
    """What a pipeline's own scheduler is called here; raises UserError where it stands for none of our samplers."""
    name, told = type(scheduler).__name__, scheduler.config
    forms = _FLOWING if flows(scheduler) else _NOISY
    for sampler, form in forms.items():
        if form.name == name and told.get("algorithm_type") == form.settings.get("algorithm_type", told.get("algorithm_type")):
            return Way(sampler, _own_schedule(scheduler))
    known = ", ".join(dict.fromkeys(form.name for form in (*_NOISY.values(), *_FLOWING.values())))
    raise UserError(f"its scheduler {name} stands for none of aldente's samplers; known: {known}.")


def scheduler_of(own: Any, way: Way) -> Any:
    """A scheduler that runs a sampler along a schedule, trained as a pipeline's ``own`` one.

    Raises UserError where diffusers has none that does.
    """
    if way == own_way(own):
        return type(own).from_config(own.config)
    forms = _FLOWING if flows(own) else _NOISY
    if way.sampler not in forms:
        raise UserError(
            f"sampler is '{way.sampler}', but this model is drawn by its own pipeline, for which diffusers has:"
            f" {', '.join(forms)}."
        )
    form = forms[way.sampler]
    kind = getattr(diffusers, form.name)
    return kind.from_config(own.config, **form.settings, **_spaced(kind, way, flow=flows(own)))


def _spaced(kind: Any, way: Way, *, flow: bool) -> dict[str, Any]:
    """The settings that space a scheduler's levels."""
    known = signature(kind.__init__).parameters
    curves = {name: setting for name, setting in _CURVES.items() if setting in known and not flow}
    spacings = {} if flow else _SPACINGS if "timestep_spacing" in known else {}
    allowed = (*([FLOW] if flow else []), *curves, *spacings)
    if way.schedule not in allowed:
        error = unknown("schedule", way.schedule, allowed)
        raise UserError(f"this model is drawn by its own pipeline, where {way.sampler} has few schedules: {error}")
    settings: dict[str, Any] = {setting: name == way.schedule for name, setting in curves.items()}
    return settings | ({"timestep_spacing": spacings[way.schedule]} if way.schedule in spacings else {})


def _own_schedule(scheduler: Any) -> str:
    if flows(scheduler):
        return FLOW
    curve = next((name for name, setting in _CURVES.items() if scheduler.config.get(setting)), None)
    spaced = scheduler.config.get("timestep_spacing", "linspace")
    return curve or next((name for name, spacing in _SPACINGS.items() if spacing == spaced), "uniform")
