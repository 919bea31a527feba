"""Pictures bent out of shape a little, as drawn ones are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SHIFT, SCALE, TURN, BEND = 0.08, 0.12, 0.12, 0.04
"""Deviations: of the place and the size as shares, of the angle in radians, and of each point on its own."""

BENDS = 5
"""Points along a side that are moved on their own."""


def warped(images: Tensor, chance: torch.Generator) -> Tensor:
    """Each picture (b 3 h w) moved, scaled, turned and bent at random; its border goes on outside."""
    count, device = len(images), images.device
    drawn = torch.randn((count, 4), generator=chance, device=device)
    scale, angle = 1 + SCALE * drawn[:, 0], TURN * drawn[:, 1]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    shift = SHIFT * drawn[:, 2:]
    rows = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], 1).view(count, 2, 3)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    bends = BEND * torch.randn((count, 2, BENDS, BENDS), generator=chance, device=device)
    grid = grid + functional.interpolate(bends, images.shape[2:], mode="bicubic").permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
