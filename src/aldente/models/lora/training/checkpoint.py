"""Training for checkpoints of diffusers: Stable Diffusion, SDXL, SD 3 and FLUX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from aldente.engine.levels import Level
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.autoencoder import Autoencoder
from aldente.models.diffusers.features import Features, Residuals
from aldente.models.diffusers.networks import denoiser_of, network_of
from aldente.models.diffusers.training import training_of
from aldente.models.lora.training.adapters import Adapters
from aldente.models.lora.training.buckets import Size, buckets
from aldente.models.lora.training.subject import Noised
from aldente.models.port import Image, Words

_VERSIONS = {
    "sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0", "sd3": "sd3", "sd3.5-medium": "sd3", "sd3.5-large": "sd3",
    "flux-dev": "flux1", "flux-schnell": "flux1",
}  # fmt: skip
"""What Kohya calls architectures."""

_SPECS = {
    "sd1": "stable-diffusion-v1/lora", "sd2": "stable-diffusion-v2-512/lora", "sdxl": "stable-diffusion-xl-v1-base/lora",
    "sd3": "stable-diffusion-3/lora", "sd3.5-medium": "stable-diffusion-3/lora", "sd3.5-large": "stable-diffusion-3/lora",
    "flux-dev": "flux-1-dev/lora", "flux-schnell": "flux-1-schnell/lora",
}  # fmt: skip
"""What the model specification calls them."""


class CheckpointSubject:
    """A checkpoint of which the denoiser learns; ``side`` is the side, in pixels, of the square that it trains at."""

    def __init__(
        self,
        pipeline: Any,
        facts: CheckpointFacts,
        *,
        name: str,
        fingerprint: str,
        side: int | None = None,
        device: str = "cpu",
    ) -> None:
        self._facts, self.name, self.fingerprint, self._device = facts, name, fingerprint, device
        self._denoiser = denoiser_of(pipeline).to(device).requires_grad_(requires_grad=False)
        self._network = network_of(pipeline, {}, device)
        self._autoencoder = Autoencoder(pipeline.vae, device=device)
        self._training = training_of(pipeline.scheduler.config, zero_snr=facts.zero_snr)
        self._side = side or facts.native[0][0]
        self._hooked: dict[str, Any] = {}

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """The buckets that it trains at."""
        multiple = min(64, max(self._autoencoder.scale * 2, self._side // 8))
        return buckets(self._side**2, multiple)

    @cached_property
    def targets(self) -> Mapping[str, tuple[int, ...]]:
        """The linear layers of attention and of the perceptrons beside it."""
        found = {name: module for name, module in self._denoiser.named_modules() if isinstance(module, nn.Linear)}
        return {name: tuple(module.weight.shape) for name, module in found.items() if _learns(name)}

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a LoRA's file says of the model."""
        architecture = self._facts.architecture or ""
        return {
            "ss_base_model_version": _VERSIONS.get(architecture, architecture),
            "modelspec.architecture": _SPECS.get(architecture, architecture),
            "modelspec.prediction_type": {"eps": "epsilon", "v": "v"}.get(self._training.prediction, "flow"),
            "ss_v_parameterization": str(self._training.prediction == "v"),
        }

    def latent(self, image: Image) -> Tensor:
        """The latent, 1 c h w, of a picture."""
        with torch.no_grad():
            return torch.from_numpy(self._autoencoder.encode(image))

    def read(self, caption: str) -> Features:
        """What the text encoders make of a caption."""
        with torch.no_grad():
            # A model that takes its guidance as a number is trained at what changes nothing.
            told = 1.0 if getattr(self._denoiser.config, "guidance_embeds", False) else None
            return self._network.read(Words(chunks=(((caption, 1.0),),), distilled=told))

    def noised(self, clean: Tensor, chance: torch.Generator) -> Noised:
        """Latents at training levels: each as likely as the others, or for flows logit-normal [Esser 2024, Eq. 19]."""
        noise = torch.randn(clean.shape, generator=chance)
        if self._training.prediction == "flow":
            times = torch.sigmoid(torch.randn(len(clean), generator=chance))
            return Noised(clean, noise, times, torch.zeros_like(times))
        table = torch.tensor(self._training.sigmas)
        sigmas = table[torch.randint(len(table), (len(clean),), generator=chance)]
        return Noised(clean, noise, sigmas, sigmas**-2)

    def errors(self, noised: Noised, captions: Sequence[Features], adapters: Adapters) -> Tensor:
        """The mean squared error of what the network answers."""
        flows = self._training.prediction == "flow"
        levels = [Level(1.0 - sigma if flows else 1.0, sigma) for sigma in noised.levels.tolist()]
        alphas, sigmas, scales = (
            torch.tensor(column).view(-1, 1, 1, 1)
            for column in zip(*((level.alpha, level.sigma, self._training.scale(level)) for level in levels), strict=True)
        )
        seen = (alphas * noised.clean + sigmas * noised.noise) * scales
        times = torch.tensor([self._training.timestep(level) for level in levels])
        self._attach(adapters)
        answer = self._network.answer(seen.to(self._device), times.to(self._device), captions, Residuals())
        target = self._target(noised, sigmas)
        return (answer.float() - target.to(self._device)).square().mean((1, 2, 3))

    def weigh(self, noised: Noised, gamma: float | None) -> Tensor:
        """How much each row's error counts; flows are not weighed."""
        if gamma is None or self._training.prediction == "flow":
            return torch.ones_like(noised.snr)
        kept = noised.snr.clamp(max=gamma)
        return kept / (noised.snr + 1) if self._training.prediction == "v" else kept / noised.snr

    def _target(self, noised: Noised, sigmas: Tensor) -> Tensor:
        if self._training.prediction == "flow":
            return noised.noise - noised.clean
        if self._training.prediction == "v":
            return (noised.noise - sigmas * noised.clean) / torch.sqrt(1 + sigmas**2)
        return noised.clean if self._training.prediction == "x0" else noised.noise

    def _attach(self, adapters: Adapters) -> None:
        """Have each target add what its adapter makes of its input."""
        for handle in self._hooked.values():
            handle.remove()
        pairs = adapters.pairs()
        self._hooked = {
            name: self._denoiser.get_submodule(name).register_forward_hook(_adding(*pairs[name], adapters.scale))
            for name in self.targets
        }


def _adding(up: Tensor, down: Tensor, scale: float) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def add(_: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> Tensor:
        (x,) = given
        return answer + scale * ((x.to(down.dtype) @ down.T) @ up.T).to(answer.dtype)

    return add


def _learns(name: str) -> bool:
    inside = any(part in name for part in (".attn", ".ff.", ".ff_context."))
    return inside and not name.endswith(("norm.linear", "norm1.linear"))
