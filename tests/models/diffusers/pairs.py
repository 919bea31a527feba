"""The same picture twice: by a pipeline of diffusers with a scheduler of its own, and by aldente's engine on the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import numpy as np
import torch

from aldente.engine.denoise import answer
from aldente.engine.levels import Level, exploding, flow
from aldente.engine.samplers import find_sampler
from aldente.engine.samplers.prepare import prepare
from aldente.engine.trajectory import trajectory
from aldente.models.diffusers.transformers import packed, unpacked
from aldente.models.port import Model
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.conditioning import denoiser_of
from aldente.render.controls import Steer

SIDE = 8
"""The side of the tiny models' latents."""

SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "euler": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "ddim": ("DDIMScheduler", {"timestep_spacing": "trailing", "set_alpha_to_one": True, "clip_sample": False}),
    "dpmpp_2m": (
        "DPMSolverMultistepScheduler",
        {"timestep_spacing": "trailing", "final_sigmas_type": "zero", "lower_order_final": True},
    ),
}
"""diffusers' classes for our samplers, set to what both can do."""


class Pair(NamedTuple):
    """A latent by diffusers and the same one by aldente, and how far they are apart as a share of their spread."""

    theirs: np.ndarray
    ours: np.ndarray

    @property
    def distance(self) -> float:
        return float(np.abs(self.theirs - self.ours).max() / self.theirs.std())


def pipeline_of(folder: Path, scheduler: str | None = None, **changes: Any) -> Any:
    """diffusers' own pipeline on a folder, with the scheduler that stands for one of our samplers."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    if scheduler is not None:
        name, options = SCHEDULERS[scheduler]
        made = getattr(diffusers, name)
        pipeline.scheduler = made.from_config(pipeline.scheduler.config, **{**options, **changes})
    return pipeline


def noise_of(model: Model, seed: int = 7) -> np.ndarray:
    """Unit noise for one picture of the tiny models."""
    shape = (1, model.info.latent_channels, SIDE, SIDE)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def levels_at(model: Model, timesteps: Sequence[int]) -> list[Level]:
    """The training levels of timesteps, and the end."""
    return [*(exploding(model.info.sigmas[int(step)]) for step in timesteps), exploding(0.0)]


def drawn(
    model: Model, sampler: str, levels: Sequence[Level], x: np.ndarray, steers: Sequence[Steer] = (), **settings: Any
) -> np.ndarray:
    """The latent that aldente's engine makes of ``x`` along ``levels`` under a recipe's words and guidance."""
    recipe = set_parameters(Recipe(model=model.info.name), {"sampler": sampler, **settings})
    run = prepare(find_sampler(sampler), levels, lambda *_: np.zeros(1), {})
    denoise = denoiser_of(recipe, model, run.levels, steers)
    asking = trajectory(run.sampler, denoise, x, run.levels, lambda *_: np.zeros(1), lift=run.lift)
    return answer(asking, lambda query: model.estimate(query.x, [query.level], [query.condition]))


def exploding_pair(
    pipeline: Any, model: Model, sampler: str, *, steps: int = 5, prompt: str, scale: float = 5.0, **call: Any
) -> Pair:
    """A picture of a Stable Diffusion model, guided, by both."""
    noise = noise_of(model)
    with torch.no_grad():
        theirs = pipeline(
            prompt, height=64, width=64, num_inference_steps=steps, guidance_scale=scale,
            latents=torch.tensor(noise), output_type="latent", **call,
        ).images.numpy()  # fmt: skip
    levels = levels_at(model, pipeline.scheduler.timesteps)
    first = levels[0].sigma
    # Euler begins at sigma times the noise; schedulers in preserving levels begin at the noise, which is a little more.
    start = noise * (np.float32(first) if sampler == "euler" else np.float32(np.hypot(1.0, first)))
    negative = call.get("negative_prompt") or ""
    return Pair(theirs, drawn(model, sampler, levels, start, prompt=prompt, negative=negative, cfg=scale))


def flow_levels_of(scheduler: Any) -> list[Level]:
    """The levels that a flow scheduler was set to."""
    return [flow(float(sigma)) for sigma in scheduler.sigmas]


def flux_pair(pipeline: Any, model: Model, *, steps: int = 4, prompt: str, scale: float = 1.0, **call: Any) -> Pair:
    """A picture of FLUX by both, under Euler."""
    noise = noise_of(model)
    told = {"guidance_scale": call.pop("distilled", 3.5), "true_cfg_scale": scale}
    length = 512 if model.info.distilled is not None else 256
    with torch.no_grad():
        found = pipeline(
            prompt, height=64, width=64, num_inference_steps=steps, latents=packed(torch.tensor(noise)),
            output_type="latent", max_sequence_length=length, **told, **call,
        ).images  # fmt: skip
    settings = {"distilled_guidance": told["guidance_scale"]} if model.info.distilled is not None else {}
    levels = flow_levels_of(pipeline.scheduler)
    negative = call.get("negative_prompt") or ""
    ours = drawn(model, "euler", levels, noise, prompt=prompt, negative=negative, cfg=scale, **settings)
    return Pair(unpacked(found, SIDE, SIDE).numpy(), ours)
