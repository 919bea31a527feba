"""Masks to be filled, as users draw them: boxes, strokes, half-planes, all around, everything."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STROKE_POINTS = 4
SHARES = {"box": 0.35, "stroke": 0.25, "half": 0.15, "around": 0.15, "whole": 0.1}
"""How often each shape is drawn."""


def holes(count: int, side: int, chance: torch.Generator) -> Tensor:
    """Masks, b 1 side side: 1 where something is to be filled in."""
    axis = (torch.arange(side, device=chance.device) + 0.5) / side
    y, x = axis[None, :, None], axis[None, None, :]
    drawn = {
        "box": _box(x, y, count, chance, shortest=0.2, longest=0.7),
        "stroke": _stroke(x, y, count, chance),
        "half": _half(x, y, count, chance),
        "around": ~_box(x, y, count, chance, shortest=0.4, longest=0.9),
        "whole": torch.ones((count, side, side), dtype=torch.bool, device=chance.device),
    }
    steps = torch.tensor(list(SHARES.values()), device=chance.device).cumsum(0)
    kinds = torch.searchsorted(steps, _uniform(chance, count).flatten(), right=True).clamp(max=len(SHARES) - 1)
    every = torch.stack([drawn[kind] for kind in SHARES])
    return every[kinds, torch.arange(count, device=chance.device)].float()[:, None]


def _box(x: Tensor, y: Tensor, count: int, chance: torch.Generator, *, shortest: float, longest: float) -> Tensor:
    width, height = (shortest + (longest - shortest) * _uniform(chance, count) for _ in range(2))
    left, top = (_uniform(chance, count) * (1.2 - length) - 0.1 for length in (width, height))
    return (x >= left) & (x < left + width) & (y >= top) & (y < top + height)


def _half(x: Tensor, y: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """What lies on one side of a line; half of the lines are upright or level."""
    turn = _uniform(chance, count)
    turn = torch.where(_uniform(chance, count) < 0.5, torch.round(turn * 4) / 4, turn) * (2 * math.pi)
    return (x - 0.5) * turn.cos() + (y - 0.5) * turn.sin() > (_uniform(chance, count) - 0.5) * 0.6


def _stroke(x: Tensor, y: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """What a round brush covers on its way along some points."""
    points = torch.rand((count, STROKE_POINTS, 2), generator=chance, device=chance.device)
    points[:, 1:] = points[:, :1] + (points[:, 1:] - points[:, :1]) * 0.7
    radius = 0.04 + 0.1 * _uniform(chance, count)
    covered = torch.zeros((count, y.shape[1], x.shape[2]), dtype=torch.bool, device=chance.device)
    for start, end in zip(points.unbind(1), points.unbind(1)[1:], strict=False):
        run = end - start
        ahead = [(axis - start[:, k, None, None], run[:, k, None, None]) for k, axis in enumerate((x, y))]
        share = sum(gap * way for gap, way in ahead) / run.square().sum(1)[:, None, None].clamp(min=1e-6)
        share = share.clamp(0, 1)
        covered = covered | (sum((gap - share * way).square() for gap, way in ahead) < radius**2)
    return covered


def _uniform(chance: torch.Generator, count: int) -> Tensor:
    return torch.rand((count, 1, 1), generator=chance, device=chance.device)
