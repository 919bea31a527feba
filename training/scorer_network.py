"""The scorer in PyTorch; parameters are named as the exported graph names its weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network import Residual, to_patches
from training.shape import POOLED_GAIN, TEXT_WIDTH, ScorerShape

SCALE_FIRST, SCALE_MAX = 10.0, 50.0
"""The factor on likenesses in the contrast, at first and at most."""


class Scorer(nn.Module):
    """Pictures of 64 x 64 in [-1, 1] and MiniLM's vectors -> directions that agree where the caption is right.

    ``slope`` and ``offset`` bring the cosine to the logit of the probability that it is.
    """

    def __init__(self, shape: ScorerShape) -> None:
        super().__init__()
        self.shape = shape
        first, *deeper = shape.widths
        self.enter = nn.Conv2d(12, first, 3, padding=1)
        self.shrinks = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(shape.widths, deeper, strict=False)
        )
        self.residuals = nn.ModuleList(Residual(width) for width in deeper)
        self.norm, self.leave = nn.GroupNorm(8, deeper[-1]), nn.Linear(deeper[-1], shape.directions)
        self.read, self.say = nn.Linear(TEXT_WIDTH, shape.reading), nn.Linear(shape.reading, shape.directions)
        self.contrast = nn.Parameter(torch.tensor([math.log(SCALE_FIRST)]))
        self.slope, self.offset = nn.Parameter(torch.tensor([10.0])), nn.Parameter(torch.tensor([-3.0]))

    def look(self, image: Tensor) -> Tensor:
        """The direction (b d) of each picture."""
        x = self.enter(to_patches(image, 2).permute(0, 3, 1, 2))
        for shrink, residual in zip(self.shrinks, self.residuals, strict=True):
            x = residual(shrink(functional.silu(x)))
        return functional.normalize(self.leave(functional.silu(self.norm(x)).mean((2, 3))), dim=1)

    def listen(self, vectors: Tensor) -> Tensor:
        """The direction (b d) of each caption."""
        return functional.normalize(self.say(functional.silu(self.read(vectors * POOLED_GAIN))), dim=1)

    def contrasted(self, likeness: Tensor) -> Tensor:
        """Cosines as the logits of the contrast."""
        return likeness * self.contrast.exp().clamp(max=SCALE_MAX)

    def logit(self, likeness: Tensor) -> Tensor:
        """Cosines as logits of the probability that a caption is right, right and wrong ones being equally many."""
        return likeness * self.slope + self.offset
