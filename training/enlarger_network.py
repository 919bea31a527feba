"""The enlarger in PyTorch; parameters are named as the exported graph names its weights."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from training.shape import FACTOR, LEAK, EnlargerShape


class Enlarger(nn.Module):
    """Pictures in [-1, 1] -> four times as large: all convolutions at the small size [Shi 2016, Sec. 3].

    They add what interpolation by straight lines misses.

    Edges are repeated outwards before every convolution, so that a border is not mistaken for an outline.
    """

    def __init__(self, shape: EnlargerShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = _convolution(3, shape.width)
        self.blocks = nn.ModuleList(_Pair(shape.width) for _ in range(shape.depth // 2))
        self.leave = _convolution(shape.width, 3 * FACTOR**2)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, image: Tensor) -> Tensor:
        x = self.enter(image)
        for block in self.blocks:
            x = block(x)
        straight = functional.interpolate(image, scale_factor=FACTOR, mode="bilinear", align_corners=False)
        return straight + functional.pixel_shuffle(self.leave(functional.leaky_relu(x, LEAK)), FACTOR)


class _Pair(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = _convolution(width, width), _convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(functional.leaky_relu(self.one(functional.leaky_relu(x, LEAK)), LEAK))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")
