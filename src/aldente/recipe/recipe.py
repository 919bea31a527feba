"""The recipe: everything that determines a picture, and nothing else."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from aldente.recipe.field import parameter
from aldente.recipe.stages import Base, Control, Source, Stage
from aldente.recipe.value import Value


class Guidance(Value):
    """How strongly, where and in which way the prompt steers."""

    scale: float = parameter(
        7.0,
        name="cfg",
        aliases=("cfg_scale", "guidance_scale", "guidance", "scale"),
        label="CFG scale",
        ge=0.0,
        le=100.0,
        help="How strongly the prompt steers; 1 is off.",
    )
    low: float | None = parameter(
        None,
        name="guidance_low",
        label="Guidance from",
        unit="sigma",
        ge=0.0,
        help="Guide only above this noise level (sigma).",
    )
    high: float | None = parameter(
        None,
        name="guidance_high",
        label="Guidance to",
        unit="sigma",
        ge=0.0,
        help="Guide only up to this noise level (sigma).",
    )
    rescale: float | None = parameter(
        None,
        name="cfg_rescale",
        aliases=("guidance_rescale",),
        label="CFG rescale",
        ge=0.0,
        le=1.0,
        help="Pull the spread of the guided estimate back towards the conditional one; 0 is off.",
    )
    apg: float | None = parameter(
        None,
        name="apg",
        label="APG parallel part",
        ge=0.0,
        le=1.0,
        help="Adaptive projected guidance: how much of the parallel part of the guidance is kept; unset is off.",
    )
    threshold: float | None = parameter(
        None,
        name="dynamic_threshold",
        label="Dynamic threshold",
        ge=0.5,
        le=1.0,
        help="Clip the guided estimate at this quantile of the conditional one's range; unset is off.",
    )
    distilled: float | None = parameter(
        None,
        name="distilled_guidance",
        aliases=("distilled_cfg", "distilled_cfg_scale", "flux_guidance", "embedded_guidance"),
        label="Distilled CFG Scale",
        ge=0.0,
        le=100.0,
        help="The guidance that a distilled model (FLUX dev, LCM) is told as a number; unset is the model's own.",
    )


class Sampling(Value):
    """How the noise is taken away: sampler, schedule, steps and guidance."""

    sampler: str = parameter(
        "dpmpp_2m",
        aliases=("sampler_name", "sampler_index"),
        label="Sampler",
        choices="sampler",
        help="The method of integration; 'DPM++ 2M Karras' names a schedule as well.",
    )
    schedule: str = parameter(
        "karras",
        aliases=("scheduler", "schedule_type", "noise_schedule"),
        label="Schedule",
        choices="schedule",
        help="How the noise levels are spaced.",
    )
    steps: int = parameter(
        25,
        aliases=("num_inference_steps", "inference_steps", "sample_steps", "sampling_steps", "ddim_steps"),
        label="Steps",
        ge=1,
        le=1000,
        help="How many steps lead from noise to picture.",
    )
    guidance: Guidance = Guidance()
    eta: float | None = parameter(
        None,
        aliases=("ddim_eta",),
        label="Eta",
        ge=0.0,
        le=10.0,
        help="How much noise an ancestral or SDE sampler adds back; unset is its own.",
    )
    s_noise: float | None = parameter(
        None,
        aliases=("sigma_noise",),
        label="Noise multiplier",
        ge=0.0,
        le=2.0,
        help="Factor on the noise that a sampler adds; unset is 1.",
    )
    s_churn: float | None = parameter(
        None, aliases=("sigma_churn",), label="Churn", ge=0.0, le=1000.0, help="Noise added before steps [Karras 2022]."
    )
    s_tmin: float | None = parameter(
        None, aliases=("sigma_tmin",), label="Churn from", unit="sigma", ge=0.0, help="Churn only above this sigma."
    )
    s_tmax: float | None = parameter(
        None, aliases=("sigma_tmax",), label="Churn to", unit="sigma", ge=0.0, help="Churn only below this sigma."
    )
    rho: float | None = parameter(
        None, aliases=("schedule_rho",), label="Rho", ge=0.1, le=100.0, help="Bend of the karras and polyexponential schedules."
    )
    sigma_min: float | None = parameter(
        None,
        aliases=("schedule_min_sigma",),
        label="Sigma min",
        unit="sigma",
        ge=0.0,
        help="Last noise level; unset is the model's.",
    )
    sigma_max: float | None = parameter(
        None,
        aliases=("schedule_max_sigma",),
        label="Sigma max",
        unit="sigma",
        ge=0.0,
        help="First noise level; unset is the model's.",
    )
    shift: float | None = parameter(
        None, aliases=("time_shift",), label="Flow shift", ge=0.01, le=100.0, help="Shift of a flow model's schedule."
    )
    sigmas: str | None = parameter(
        None,
        aliases=("custom_sigmas", "timestep_sigmas"),
        label="Sigmas",
        choices="sigmas",
        help="The noise levels themselves, high to low ('20,4.5,0.9,0.1'), for the schedule 'custom'.",
    )
    rtol: float | None = parameter(
        None,
        aliases=("relative_tolerance",),
        label="Tolerance",
        ge=0.0001,
        le=10.0,
        help="How much error an adaptive sampler may make in a step; smaller is more steps, unset is its own.",
    )
    discard_next_to_last: bool | None = parameter(
        None,
        aliases=("discard_next_to_last_sigma", "always_discard_next_to_last_sigma"),
        label="Discard next-to-last sigma",
        help="Leave out the last level but one, as A1111 does for DPM2 and UniPC.",
    )
    reuse_threshold: float | None = parameter(
        None,
        aliases=("step_cache", "step_caching", "cache_threshold", "easycache", "teacache"),
        label="Reuse threshold",
        ge=0.0,
        le=3.0,
        help="Step caching: a step is foretold from those before, instead of asking the model, where that is off by less than"
        " this share; 0 or unset is off.",
    )
    reuse_start: float | None = parameter(
        None,
        aliases=("step_cache_start", "cache_start"),
        label="Reuse from",
        ge=0.0,
        le=1.0,
        help="Share of the steps before which none is foretold; unset is 0.15.",
    )
    reuse_end: float | None = parameter(
        None,
        aliases=("step_cache_end", "cache_end"),
        label="Reuse to",
        ge=0.0,
        le=1.0,
        help="Share of the steps from which none is foretold; unset is 0.95.",
    )
    rng: str = parameter(
        "aldente",
        aliases=("rng_source", "randn_source"),
        label="RNG",
        choices="rng",
        help="Where noise comes from: aldente (one stream per purpose), nv (as on an NVIDIA card) or cpu (as torch on a CPU).",
    )


class Recipe(Value):
    """Everything that determines a picture. Its digest is its identity: the same digest is the same picture."""

    model: str = parameter(
        "pastina",
        aliases=("checkpoint", "ckpt_name", "sd_model_checkpoint"),
        label="Model",
        choices="model",
        help="The model that draws.",
    )
    prompt: str = parameter("", aliases=("positive_prompt", "text"), label="Prompt", help="What to draw.")
    negative: str = parameter(
        "", aliases=("negative_prompt", "uncond"), label="Negative prompt", help="What to steer away from."
    )
    width: int = parameter(64, label="Width", unit="px", ge=8, le=16384, help="Width of the picture.")
    height: int = parameter(64, label="Height", unit="px", ge=8, le=16384, help="Height of the picture.")
    seed: int = parameter(
        0, aliases=("noise_seed",), label="Seed", ge=0, le=2**64 - 1, help="The number that all noise grows from."
    )
    clip_skip: int | None = parameter(
        None, label="Clip skip", ge=1, le=12, help="Which layer of the text encoder is read, from the end."
    )
    emphasis: Literal["original", "no_norm", "comfyui", "ignore"] | None = parameter(
        None,
        aliases=("emphasis_mode",),
        label="Emphasis",
        help="How weights in the prompt act: as in A1111 (original; no_norm does not restore the mean), as in ComfyUI, or"
        " not at all; unset is original.",
    )
    token_merging: float | None = parameter(
        None,
        name="token_merging_ratio",
        aliases=("token_merging", "tome", "tome_ratio"),
        label="Token merging ratio",
        ge=0.0,
        le=0.9,
        help="The share of the tokens that attend as one with others like them, where the model is a U-Net; faster, less exact;"
        " 0 or unset is off.",
    )
    sampling: Sampling = Sampling()
    stages: tuple[Stage, ...] = (Base(),)
    controls: tuple[Control, ...] | None = None

    @model_validator(mode="after")
    def _begins_once(self) -> Self:
        """A recipe begins with noise or with a picture, and only there."""
        begins = [isinstance(stage, Base | Source) for stage in self.stages]
        if not begins or not begins[0] or any(begins[1:]):
            raise ValueError("stages must begin with a base or a source, and have no other of these")
        return self

    @property
    def start(self) -> Base | Source:
        """The first stage."""
        first = self.stages[0]
        assert isinstance(first, Base | Source)
        return first

    def up_to(self, count: int) -> Recipe:
        """The recipe of what the first ``count`` stages give."""
        return self.model_copy(update={"stages": self.stages[:count]})
