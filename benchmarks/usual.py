"""The same network used the usual way: PyTorch, one picture at a time, cond and uncond in one call, in a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from training.autoencoder_graph import statistics_of
from training.network import Autoencoder, Denoiser, estimate, input_scale
from training.shape import AutoencoderShape, DenoiserShape
from training.weights import shipped_autoencoder, shipped_denoiser

from aldente.models.pastina.model import Pastina


class Text(NamedTuple):
    """What the network reads of cond and uncond: states (2 16 384), pooled (2 384), mask (2 16)."""

    states: Tensor
    pooled: Tensor
    mask: Tensor


class Network:
    """pastina in PyTorch, with the weights that aldente ships."""

    def __init__(self, model: Pastina) -> None:
        weights, about = shipped_denoiser()
        self._denoiser = Denoiser(DenoiserShape.from_text(about)).eval()
        self._denoiser.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        self._model = model

    @cached_property
    def _autoencoder(self) -> tuple[Autoencoder, Tensor, Tensor]:
        weights, about = shipped_autoencoder()
        network = Autoencoder(AutoencoderShape()).eval()
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        mean, spread = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in statistics_of(about))
        return network, mean, spread

    def read(self, prompt: str, negative: str) -> Text:
        """The text features, once for all pictures."""
        readings = [self._model.reading(self._model.encode(((text, 1.0),))) for text in (prompt, negative)]
        states, pooled, mask = (torch.from_numpy(np.stack(part)) for part in zip(*readings, strict=True))
        return Text(states, pooled, mask.float())

    def velocity(self, scaled: Tensor, sigma: float, text: Text, scale: float) -> Tensor:
        """The guided answer, a v-prediction, to ``scaled`` = x / sqrt(sigma^2 + 1)."""
        answer = self._denoiser(torch.cat([scaled, scaled]), torch.full((2,), sigma), *text)
        cond, uncond = answer.chunk(2)
        return uncond + scale * (cond - uncond)

    def clean(self, x: Tensor, sigma: float, text: Text, scale: float) -> Tensor:
        """The guided estimate of the clean latent."""
        level = torch.full((1,), sigma)
        return estimate(self.velocity(x * input_scale(level), sigma, text, scale), x, level)

    def picture(self, latent: Tensor) -> np.ndarray:
        """The picture, uint8, h w 3."""
        autoencoder, mean, spread = self._autoencoder
        planes = autoencoder.decoder(latent * spread + mean)[0].clamp(-1, 1)
        return ((planes + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()


Step = Callable[[Tensor, float], Tensor]


def euler(clean: Step, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Euler's method [Karras 2022, Alg. 1 without churn]."""
    for sigma, following in pairwise(sigmas):
        x = x + (following - sigma) * (x - clean(x, sigma)) / sigma
    return x


def heun(clean: Step, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Heun's method [Karras 2022, Alg. 1]."""
    for sigma, following in pairwise(sigmas):
        slope = (x - clean(x, sigma)) / sigma
        ahead = x + (following - sigma) * slope
        if following > 0:
            slope = (slope + (ahead - clean(ahead, following)) / following) / 2
        x = x + (following - sigma) * slope
    return x


def dpmpp_2m(clean: Step, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M) [Lu 2022b, Alg. 2]."""
    before, last = None, 0.0
    for sigma, following in pairwise(sigmas):
        here = clean(x, sigma)
        if following == 0:
            return here
        step = float(np.log(sigma / following))
        ahead = here if before is None else here + (here - before) * step / (2 * last)
        x = x * (following / sigma) + ahead * (1 - following / sigma)
        before, last = here, step
    return x


LOOPS: dict[str, Any] = {"euler": euler, "dpmpp_2m": dpmpp_2m, "heun": heun}


def schedulers(sigmas: Sequence[float]) -> dict[str, Callable[[], Any]]:
    """Diffusers' schedulers for a model trained on the noise levels ``sigmas``; raises ImportError without diffusers."""
    from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler

    kept = 1 / (np.asarray(sigmas) ** 2 + 1)
    betas = 1 - kept / np.concatenate([[1.0], kept[:-1]])
    facts = {"trained_betas": betas, "prediction_type": "v_prediction", "use_karras_sigmas": True}
    return {
        "euler": lambda: EulerDiscreteScheduler(**facts),
        "dpmpp_2m": lambda: DPMSolverMultistepScheduler(**facts, final_sigmas_type="zero"),
        "heun": lambda: HeunDiscreteScheduler(**facts),
    }


def scheduled(network: Network, scheduler: Any, steps: int, unit: Tensor, text: Text, scale: float) -> Tensor:
    """The loop of diffusers' pipelines around the same network, from ``unit`` noise."""
    scheduler.set_timesteps(steps)
    scheduler.set_begin_index(0)
    x = unit * scheduler.init_noise_sigma
    for moment in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, moment)
        sigma = float(scheduler.sigmas[scheduler.step_index or 0])
        x = scheduler.step(network.velocity(scaled, sigma, text, scale), moment, x).prev_sample
    return x
