"""The low-rank matrices that are learned, one pair for each weight [Hu 2021]."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Adapters(nn.Module):
    """A pair of matrices for each target; what they add begins at nothing.

    ``targets`` are the shapes of the weights by the name of their module; ``scale`` is alpha over rank.
    """

    def __init__(self, targets: Mapping[str, tuple[int, ...]], *, rank: int, alpha: float, chance: torch.Generator) -> None:
        super().__init__()
        self.rank, self.alpha, self.scale = rank, alpha, alpha / rank
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        self._names = {name: name.replace(".", "-") for name in targets}
        for name, shape in targets.items():
            wide = math.prod(shape[1:])
            bound = 1.0 / math.sqrt(wide)
            first = (torch.rand(rank, *shape[1:], generator=chance) * 2 - 1) * bound
            self.down[self._names[name]] = nn.Parameter(first)
            self.up[self._names[name]] = nn.Parameter(torch.zeros(shape[0], rank, *(1,) * (len(shape) - 2)))

    def added(self, name: str) -> Tensor:
        """What is added to the weight of a target."""
        up, down = self.up[self._names[name]], self.down[self._names[name]]
        product: Tensor = self.scale * (up.flatten(1) @ down.flatten(1))
        return product.reshape(up.shape[0], *down.shape[1:])

    def pairs(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The matrices (up, down) of each target."""
        return {name: (self.up[key], self.down[key]) for name, key in self._names.items()}
