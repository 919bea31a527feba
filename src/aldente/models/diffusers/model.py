"""A checkpoint behind the ``Worded`` port."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.autoencoder import Autoencoder
from aldente.models.diffusers.facts import describe
from aldente.models.diffusers.features import Features, Residuals
from aldente.models.diffusers.networks import Inversions, denoiser_of, network_of
from aldente.models.diffusers.placing import placed
from aldente.models.diffusers.plan import Plan
from aldente.models.diffusers.training import training_of
from aldente.models.port import Image, ModelInfo, Runtime, Words
from aldente.recipe.prompt import Emphasis

PROMPTS_KEPT = 64
"""Prompts whose features stay in memory, about a megabyte each."""

ROWS = {"cpu": 4, "mps": 4, "cuda": 16}
"""Rows of one call where the plan does not say."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The handle of a prompt: its words, and the model that it is for. Equal handles mean equal answers."""

    model: str
    words: Words


class Checkpoint:
    """A Stable Diffusion, SDXL, SD 3 or FLUX checkpoint at the level of its denoiser. Safe to share between threads.

    A row's answer depends on its company in the batch by rounding only. ``weights`` gives the fingerprint of the weights,
    which takes a while to count; ``facts`` are what is known of the file.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        name: str,
        weights: Callable[[], str],
        facts: CheckpointFacts,
        plan: Plan,
        inversions: Inversions | None = None,
    ) -> None:
        self._pipeline, self._name, self._weights, self._facts, self._plan = pipeline, name, weights, facts, plan
        denoiser = denoiser_of(pipeline)
        self._training = training_of(pipeline.scheduler.config, zero_snr=facts.zero_snr)
        placed(pipeline, denoiser, plan)
        self._denoiser = denoiser
        self._network = network_of(pipeline, inversions or {}, plan.device)
        self._autoencoder = Autoencoder(pipeline.vae, device=plan.device)
        self._features = lru_cache(maxsize=PROMPTS_KEPT)(self._network.read)
        self._lock = Lock()

    @cached_property
    def info(self) -> ModelInfo:
        """What the model states about itself."""
        plan = self._plan
        return describe(
            name=self._name,
            weights=_in_format(self._weights(), plan.dtype),
            pipeline=self._pipeline,
            denoiser=self._denoiser,
            training=self._training,
            facts=self._facts,
            clip_layers=self._network.clip_layers,
            scale=self._autoencoder.scale,
            channels=self._autoencoder.channels,
            rows=plan.rows or ROWS.get(plan.device.split(":")[0], 4),
            controls=(),
        )

    @cached_property
    def runtime(self) -> Runtime:
        """PyTorch on the plan's device."""
        threads = torch.get_num_threads() if self._plan.device == "cpu" else None
        version = str(torch.__version__)
        return Runtime(name="torch", version=version, device=self._plan.device, dtype=self._plan.dtype, threads=threads)

    def encode(self, text: Emphasis) -> Condition:
        """The handle of a prompt of one text."""
        return self.read(Words(chunks=(text,)))

    def read(self, words: Words) -> Condition:
        """The handle of a prompt; equal words give equal handles."""
        return Prompt(model=self.info.fingerprint, words=words)

    def estimate(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
        """The estimate of the clean latent of each row of ``x`` (b c h w), float32, at its own level and condition."""
        with self._lock, torch.inference_mode():
            rows = [self._row(condition) for condition in conditions]
            noisy = torch.tensor(np.asarray(x), dtype=torch.float32, device=self._plan.device)
            scales, times, own, answered = self._coefficients(levels)
            seen = (noisy * scales).to(self._denoiser.dtype)
            answers = torch.empty_like(noisy)
            for chosen in _alike(rows):
                answers[chosen] = self._answers(seen[chosen], times[chosen], [rows[index] for index in chosen])
            clean: NDArray[np.float32] = (own * noisy + answered * answers).cpu().numpy()
        return clean

    def encode_image(self, image: Image) -> Latent:
        """The latent, 1 c h w, of a picture (uint8, h w 3)."""
        height, width = np.asarray(image).shape[:2]
        multiple = self.info.latent_scale
        if height % multiple or width % multiple:
            size = f"{width} x {height}"
            raise UserError(f"{self._name} cannot encode a picture of {size} pixels: resize it to multiples of {multiple}.")
        with self._lock, torch.inference_mode():
            return self._autoencoder.encode(image)

    def decode(self, latent: Latent) -> list[Image]:
        """The picture (uint8, h w 3) of each row of ``latent`` (b c h w)."""
        with self._lock, torch.inference_mode():
            return self._autoencoder.decode(latent)

    def features(self, words: Words) -> Features:
        """What the text encoders make of a prompt."""
        with self._lock, torch.inference_mode():
            return self._features(words)

    def _row(self, condition: Condition) -> Features:
        assert isinstance(condition, Prompt), "a condition of another model"
        words = condition.words
        if words.distilled is None and self.info.distilled is not None:
            words = replace(words, distilled=self.info.distilled)
        return self._features(words)

    def _coefficients(self, levels: Sequence[Level]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What x is multiplied by to be seen, the timesteps, and what makes x and the answer the estimate."""
        told = [(self._training.scale(level), *self._training.estimate(level)) for level in levels]
        columns = torch.tensor(told, dtype=torch.float32, device=self._plan.device).T[:, :, None, None, None]
        times = torch.tensor([self._training.timestep(level) for level in levels], dtype=torch.float32)
        return columns[0], times.to(self._plan.device), columns[1], columns[2]

    def _answers(self, seen: Tensor, times: Tensor, rows: Sequence[Features]) -> Tensor:
        return self._network.answer(seen, times, rows, Residuals()).float()


def _alike(rows: Sequence[Features]) -> list[list[int]]:
    """The rows whose contexts are of one length, which can be answered together."""
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.context.shape[1], []).append(index)
    return list(groups.values())


def _in_format(weights: str, dtype: str) -> str:
    """The fingerprint of weights rounded to a number format: rounded to fewer digits they are another model's."""
    return weights if dtype == "float32" else hashlib.sha256(f"{weights} {dtype}".encode()).hexdigest()
