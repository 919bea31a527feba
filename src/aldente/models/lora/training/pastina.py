"""Training for pastina, along the graphs that it ships as."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aldente.models.lora.onnx_file import OnnxFile
from aldente.models.lora.onnx_network import OnnxNetwork
from aldente.models.lora.training.adapters import Adapters
from aldente.models.lora.training.buckets import Size, buckets
from aldente.models.lora.training.subject import Noised
from aldente.models.pastina.adapting import CHANGED
from aldente.models.pastina.facts import LOG_SIGMA, SIGMA_MAX, SIGMA_MIN
from aldente.models.pastina.model import WEIGHTS, Pastina
from aldente.models.pastina.text import Prompt
from aldente.models.port import Image

LEARNING = ("attention.qkv", "attention.out", "cross.query", "cross.key_value", "cross.out", "mlp.widen", "mlp.narrow")
"""The layers of a block that a LoRA changes."""


class PastinaSubject:
    """pastina: both of its graphs, and its text encoder and autoencoder as they are."""

    def __init__(self, weights: Path = WEIGHTS, *, threads: int | None = None) -> None:
        self._model = Pastina(weights=weights, threads=threads)
        files = {name: OnnxFile.read(weights / name) for name in CHANGED}
        self._graphs = {name: OnnxNetwork(file) for name, file in files.items()}
        self._targets = {
            weight.removesuffix(".weight"): (name, file.tensors[weight].shape)
            for name, file in files.items()
            for weight in file.tensors
            if weight.endswith(tuple(f"{layer}.weight" for layer in LEARNING))
        }
        inputs = self._model.hint_inputs
        self._nothing = {name: torch.zeros([side or 1 for side in sides]) for name, sides in inputs.items()}

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.info.name

    @property
    def fingerprint(self) -> str:
        """What tells its weights from others."""
        return self._model.info.fingerprint

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """The buckets that it trains at."""
        info = self._model.info
        width, height = info.native[0]
        return buckets(width * height, info.size_multiple, least=info.size_min)

    @property
    def targets(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of the weights that a LoRA changes."""
        return {name: shape for name, (_, shape) in self._targets.items()}

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a LoRA's file says of the model."""
        return {"ss_base_model_version": "pastina", "modelspec.architecture": "pastina/lora", "ss_v_parameterization": "True"}

    def latent(self, image: Image) -> Tensor:
        """The latent, 1 4 h/4 w/4, of a picture."""
        return torch.from_numpy(np.array(self._model.encode_image(image), np.float32))

    def read(self, caption: str) -> Any:
        """What MiniLM makes of a caption."""
        prompt = self._model.encode(((caption, 1.0),))
        assert isinstance(prompt, Prompt)
        return [torch.from_numpy(np.array(part)) for part in self._model.reading(prompt)]

    def noised(self, clean: Tensor, chance: torch.Generator) -> Noised:
        """Latents at noise levels drawn as pastina's facts say."""
        noise = torch.randn(clean.shape, generator=chance)
        drawn = torch.randn(len(clean), generator=chance) * LOG_SIGMA.stdev + LOG_SIGMA.mean
        sigmas = drawn.clamp(math.log(SIGMA_MIN), math.log(SIGMA_MAX)).exp()
        return Noised(clean, noise, sigmas, sigmas**-2)

    def errors(self, noised: Noised, captions: Sequence[Any], adapters: Adapters) -> Tensor:
        """The mean squared error of the velocity [Salimans 2022, Sec. 4], which is that of the estimate by 1 + 1 / sigma^2."""
        replaced: dict[str, dict[str, Tensor]] = {name: {} for name in self._graphs}
        for module, (name, _) in self._targets.items():
            weight = f"{module}.weight"
            replaced[name][weight] = self._graphs[name].weight(weight) + adapters.added(module)
        states, pooled, mask = (torch.stack(parts) for parts in zip(*captions, strict=True))
        read = self._graphs["conditioner.onnx"]({"states": states, "pooled": pooled}, replaced["conditioner.onnx"])
        sigma = noised.levels.view(-1, 1, 1, 1)
        given = {"x": noised.clean + sigma * noised.noise, "sigma": noised.levels, "mask": mask, **self._nothing, **read}
        estimate = self._graphs["denoiser.onnx"](given, replaced["denoiser.onnx"])["clean"]
        return (1 + noised.levels**-2) * (estimate - noised.clean).square().mean((1, 2, 3))

    def weigh(self, noised: Noised, gamma: float | None) -> Tensor:
        """How much each row's error counts."""
        if gamma is None:
            return torch.ones_like(noised.snr)
        return noised.snr.clamp(max=gamma) / (noised.snr + 1)
