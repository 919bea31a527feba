"""The scorer in PyTorch; parameters are named as the exported graph names its weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network import Residual, to_patches
from training.shape import POOLED_GAIN, TEXT_WIDTH, ScorerShape

SCALE_FIRST, SCALE_MAX = 10.0, 50.0
"""The factor on likenesses in the contrast, at first and at most."""


class Scorer(nn.Module):
    """Pictures of 64 x 64 in [-1, 1] and MiniLM's vectors -> directions of concept, style and background.

    They agree where the caption is right; ``slope`` and ``offset`` bring each cosine to the logit of the probability that
    it is.
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
        self.norm, self.leave = nn.GroupNorm(8, deeper[-1]), nn.Linear(deeper[-1], sum(shape.directions))
        self.read, self.say = nn.Linear(TEXT_WIDTH, shape.reading), nn.Linear(shape.reading, sum(shape.directions))
        self.contrast = nn.Parameter(torch.tensor([math.log(SCALE_FIRST)]))
        self.slope, self.offset = nn.Parameter(torch.full((3,), 10.0)), nn.Parameter(torch.full((3,), -3.0))

    def look(self, image: Tensor) -> tuple[Tensor, ...]:
        """The directions (b d) of each picture."""
        x = self.enter(to_patches(image, 2).permute(0, 3, 1, 2))
        for shrink, residual in zip(self.shrinks, self.residuals, strict=True):
            x = residual(shrink(functional.silu(x)))
        return self._directions(self.leave(functional.silu(self.norm(x)).mean((2, 3))))

    def listen(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """The directions (b d) of each caption."""
        return self._directions(self.say(functional.silu(self.read(vectors * POOLED_GAIN))))

    def _directions(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(functional.normalize(part, dim=1) for part in x.split(list(self.shape.directions), 1))

    def contrasted(self, likeness: Tensor) -> Tensor:
        """Cosines of concepts as the logits of the contrast."""
        return likeness * self.contrast.exp().clamp(max=SCALE_MAX)

    def logits(self, likeness: Sequence[Tensor]) -> list[Tensor]:
        """Cosines as logits of the probability that what is said is right, right and wrong being equally many."""
        return [cosine * self.slope[part] + self.offset[part] for part, cosine in enumerate(likeness)]
