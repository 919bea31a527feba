"""A pipeline that aldente does not speak at its denoiser, drawn by its own call: a black box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from inspect import signature
from threading import Lock
from typing import Any, NoReturn

import numpy as np
import torch

from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.models.diffusers.facts import PROGRAM
from aldente.models.diffusers.plan import Plan
from aldente.models.diffusers.schedulers import Way, flows, own_way, scheduler_of
from aldente.models.diffusers.training import Training, training_of
from aldente.models.port import Image, ModelInfo, Runtime, Whole
from aldente.recipe.parameters import parameters
from aldente.recipe.prompt import Emphasis, parse
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter

PIXEL_BYTES = 1024
"""The memory that a pixel takes at the end of an autoencoder, about: two states of a hundred numbers and more."""

HEARD = frozenset(
    {"model", "prompt", "negative", "width", "height", "size", "seed", "sampler", "schedule", "steps", "cfg", "rng"}
)
"""The parameters that a pipeline's own call can be told."""

RNG = "cpu"
"""Whose noise a pipeline draws from its generator."""

_QUIET = {"use_resolution_binning": False, "clean_caption": False}
"""What pipelines do unasked where they are not told: other sizes than asked for, and other words."""


class WholePipeline:
    """A pipeline of diffusers as a ``Renderer``: it draws whole pictures, one at a time. Safe to share between threads.

    ``weights`` gives the fingerprint of the weights. Raises UserError for a pipeline that takes no prompt, or whose scheduler
    stands for none of our samplers.
    """

    def __init__(self, pipeline: Any, *, name: str, weights: Callable[[], str], plan: Plan) -> None:
        self._pipeline, self._name, self._weights, self._plan = pipeline, name, weights, plan
        self._takes: Mapping[str, Any] = signature(type(pipeline).__call__).parameters
        if not {"prompt", "num_inference_steps", "generator"} <= set(self._takes):
            raise UserError(f"'{name}' is a {type(pipeline).__name__}, which draws no picture from a prompt alone.")
        self._scheduler = pipeline.scheduler
        self._way = own_way(pipeline.scheduler)
        pipeline.set_progress_bar_config(disable=True)
        if plan.offload == "none":
            pipeline.to(plan.device)
        else:
            pipeline.enable_model_cpu_offload(device=plan.device)
        self._lock = Lock()

    @cached_property
    def info(self) -> ModelInfo:
        """What the model states about itself."""
        training, scale = _training(self._scheduler), self._scale
        multiple = scale * int(self._denoiser.config.get("patch_size") or 1)
        side = self._side
        return ModelInfo(
            name=self._name,
            title=f"{self._name} ({type(self._pipeline).__name__}, drawn by its own call)",
            fingerprint=self._weights(),
            family="flow" if flows(self._scheduler) else "exploding",
            prediction=training.prediction,
            latent_channels=int(self._denoiser.config.get("in_channels") or 4),
            latent_scale=scale,
            sigma_min=training.sigmas[0],
            sigma_max=training.sigmas[-1],
            sigmas=training.sigmas,
            native=((side, side),),
            size_multiple=multiple,
            size_min=min(multiple, side),
            size_max=max(2 * side, 2048),
            rows=1,
            bytes_fixed=PROGRAM + sum(_bytes(part) for part in self._pipeline.components.values()),
            bytes_per_row=side * side * PIXEL_BYTES,
            prompt_tokens=int(self._told("max_sequence_length", 77)),
            usual=tuple(self._usual().items()),
            whole=True,
        )

    @cached_property
    def runtime(self) -> Runtime:
        """PyTorch on the plan's device."""
        threads = torch.get_num_threads() if self._plan.device == "cpu" else None
        version = str(torch.__version__)
        return Runtime(name="torch", version=version, device=self._plan.device, dtype=self._plan.dtype, threads=threads)

    def calls(self, recipe: Recipe) -> int:
        """At most how many rows of the denoiser a recipe asks for."""
        each = 2 if self._way_of(recipe).sampler == "heun" else 1
        return recipe.sampling.steps * each * (1 if recipe.sampling.guidance.scale == 1.0 else 2)

    def draw(self, recipe: Recipe) -> Whole:
        """The picture of a recipe, and the rows that it took; raises UserError for what the pipeline's call cannot do."""
        told = self._call_of(recipe)
        scheduler = scheduler_of(self._scheduler, self._way_of(recipe))
        with self._lock, torch.inference_mode(), self._counted() as rows:
            self._pipeline.scheduler = scheduler
            generator = torch.Generator("cpu").manual_seed(recipe.seed)
            found = self._pipeline(**told, generator=generator).images[0]
        return Whole(np.asarray(found.convert("RGB")), sum(rows))

    def encode(self, _text: Emphasis) -> Condition:
        """Not there: a black box has no conditions."""
        self._refuse("answer for a prompt alone")

    def estimate(self, _x: Latent, _levels: Sequence[Level], _conditions: Sequence[Condition]) -> Latent:
        """Not there: a black box has no single steps."""
        self._refuse("answer for single steps, as this asks for")

    def encode_image(self, _image: Image) -> Latent:
        """Not there: a black box takes no pictures."""
        self._refuse("begin with a picture")

    def decode(self, _latent: Latent) -> list[Image]:
        """Not there: a black box shows no latents."""
        self._refuse("show latents")

    def _refuse(self, what: str) -> NoReturn:
        raise UserError(f"{self._name} is drawn by its own pipeline ({type(self._pipeline).__name__}), which cannot {what}.")

    def _call_of(self, recipe: Recipe) -> dict[str, Any]:
        """What the pipeline is called with; raises UserError naming everything that it cannot be told."""
        self._check(recipe)
        wanted = {
            "prompt": _plain(recipe.prompt, "prompt"),
            "negative_prompt": _plain(recipe.negative, "negative"),
            "num_inference_steps": recipe.sampling.steps,
            "guidance_scale": recipe.sampling.guidance.scale,
            "width": recipe.width,
            "height": recipe.height,
            "output_type": "pil",
            **_QUIET,
        }
        return {name: value for name, value in wanted.items() if name in self._takes}

    def _check(self, recipe: Recipe) -> None:
        other = [one.name for one in parameters() if one.name not in HEARD and _said(recipe, one.name)]
        if other:
            self._refuse(f"be told {', '.join(other)}; unset what stands there")
        if recipe.sampling.rng != RNG:
            self._refuse(f"draw its noise from '{recipe.sampling.rng}'; set rng to {RNG}")
        if recipe.negative and "negative_prompt" not in self._takes:
            self._refuse("be told what to steer away from; leave the negative prompt empty")
        if recipe.sampling.guidance.scale != 1.0 and "guidance_scale" not in self._takes:
            self._refuse("be guided; set cfg to 1")
        if not {"width", "height"} <= set(self._takes) and (recipe.width, recipe.height) != (self._side, self._side):
            self._refuse(f"draw another size than {self._side} x {self._side}")

    def _way_of(self, recipe: Recipe) -> Way:
        return Way(recipe.sampling.sampler, recipe.sampling.schedule)

    def _usual(self) -> dict[str, str | float | int]:
        """The settings that the pipeline's own call would take."""
        guided = "guidance_scale" in self._takes
        return {
            "sampler": self._way.sampler,
            "schedule": self._way.schedule,
            "steps": int(self._told("num_inference_steps", 20)),
            "cfg": float(self._told("guidance_scale", 1.0)) if guided else 1.0,
            "rng": RNG,
        }

    def _told(self, name: str, otherwise: float) -> float:
        """The default of an argument of the pipeline's call."""
        found = self._takes[name].default if name in self._takes else None
        return found if isinstance(found, int | float) else otherwise

    @cached_property
    def _denoiser(self) -> Any:
        parts = self._pipeline.components
        found = next((parts[name] for name in ("transformer", "unet", "decoder", "prior") if parts.get(name) is not None), None)
        if found is None:
            self._refuse("be looked into: it has neither a transformer nor a U-Net")
        return found

    @cached_property
    def _scale(self) -> int:
        return int(getattr(self._pipeline, "vae_scale_factor", 8))

    @cached_property
    def _side(self) -> int:
        """The side of its own pictures in pixels."""
        cells = self._denoiser.config.get("sample_size")
        told = cells[0] if isinstance(cells, list | tuple) else cells
        return int(told or 512 // self._scale) * self._scale

    @contextmanager
    def _counted(self) -> Iterator[list[int]]:
        """The rows of each call of the denoiser."""
        rows: list[int] = []

        def note(_module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            first = next(value for value in (*args, *named.values()) if isinstance(value, torch.Tensor))
            rows.append(int(first.shape[0]))

        hook = self._denoiser.register_forward_pre_hook(note, with_kwargs=True)
        try:
            yield rows
        finally:
            hook.remove()


def _training(scheduler: Any) -> Training:
    """The training levels, as far as the scheduler tells of them."""
    told = dict(scheduler.config)
    if flows(scheduler):
        return training_of({"shift": told.get("shift") or told.get("flow_shift") or 1.0})
    return training_of(told)


def _plain(text: str, name: str) -> str:
    """The words of a prompt without grammar; raises UserError where it weighs, changes or joins them."""
    found = parse(text, composes=name == "prompt")
    part = found.parts[0]
    chunks = part.chunks_at(0, 1)
    plain = not found.loras and len(found.parts) == len(chunks) == 1 and not part.changes
    if not plain or any(weight != 1.0 for _, weight in chunks[0]):
        raise UserError(
            f"{name} is '{text}', but a pipeline that draws by its own call reads plain words: no weights, LoRAs, AND, BREAK"
            " or words that change."
        )
    return "".join(words for words, _ in chunks[0])


def _said(recipe: Recipe, name: str) -> bool:
    """Whether a recipe says something for a parameter that it need not."""
    return get_parameter(recipe, name) != get_parameter(Recipe(), name)


def _bytes(part: object) -> int:
    return sum(weights.nbytes for weights in part.parameters()) if isinstance(part, torch.nn.Module) else 0
