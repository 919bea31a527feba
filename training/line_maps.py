"""Control pictures made from pictures: edges, scribbles and silhouettes, white on black, varied as users' own vary."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from aldente.models.pastina.facts import CONTROLS

HYSTERESIS_ROUNDS = 8
"""How many pixels a weak edge may lead away from a strong one."""

LOW_SHARE = 0.4
"""The lower threshold of edges as a share of the upper one."""

EDGE_MIN, EDGE_MAX = 0.04, 0.2
"""The range of upper thresholds, as slopes of the picture from 0 to 1 a pixel."""

SCRIBBLE_MIN, SCRIBBLE_MAX = 0.02, 0.09
"""The same for scribbles, whose pictures are blurred first."""


def control_pictures(image: Tensor, opacity: Tensor, kinds: Tensor, chance: torch.Generator) -> Tensor:
    """A control picture, b 1 h w in [0, 1], of each picture (b 3 h w) and opacity (b 1 h w), both in [0, 1].

    ``kinds`` are places in ``CONTROLS``. Thresholds, thickness, wobble and strength of the lines are drawn by chance.
    """
    drawn = torch.empty_like(opacity)
    for number, kind in enumerate(CONTROLS):
        rows = torch.nonzero(kinds == number)[:, 0]
        if len(rows):
            drawn[rows] = _drawn(kind, image[rows], opacity[rows], chance)
    return drawn


def _drawn(kind: str, image: Tensor, opacity: Tensor, chance: torch.Generator) -> Tensor:
    if kind == "silhouette":
        return (_shifted(opacity, chance, furthest=1.0) > 0.5).float()
    return _faint(scribbles(image, chance) if kind == "scribble" else _edges_by_chance(image, chance), chance)


def edges(image: Tensor, *, upper: Tensor | float = 0.18, smooth: Tensor | float = 0.7) -> Tensor:
    """Canny's edges, b 1 h w of 0 and 1, of pictures b c h w [Canny 1986].

    ``upper`` is the upper threshold, ``smooth`` the share of blurring before; numbers, or b 1 1 1.
    """
    image = image + smooth * (_blurred(image) - image)
    across, down = _slopes(image)
    steepness, channel = torch.hypot(across, down).max(dim=1, keepdim=True)
    across, down = across.gather(1, channel), down.gather(1, channel)
    crest = steepness * _is_crest(steepness, across, down)
    strong, weak = crest > upper, (crest > LOW_SHARE * upper).float()
    found = strong.float()
    for _ in range(HYSTERESIS_ROUNDS):
        found = widened(found) * weak
    return found


def scribbles(image: Tensor, chance: torch.Generator) -> Tensor:
    """Thick, wobbling lines along the main edges, here and there left out."""
    count = len(image)
    coarse = _blurred(_blurred(image))
    lines = edges(coarse, upper=_between(SCRIBBLE_MIN, SCRIBBLE_MAX, count, chance), smooth=1.0)
    lines = _shifted(lines * _kept(lines, chance), chance, furthest=2.0)
    thick = widened(lines)
    lines = torch.where(_uniform(count, chance) < 0.6, thick, lines)
    return torch.where(_uniform(count, chance) < 0.2, _blurred(thick), lines).clamp(0, 1)


def widened(lines: Tensor) -> Tensor:
    """Lines thicker by a pixel on every side."""
    tall = torch.maximum(lines, torch.maximum(_moved(lines, 0, 1), _moved(lines, 0, -1)))
    return torch.maximum(tall, torch.maximum(_moved(tall, 1, 0), _moved(tall, -1, 0)))


def _edges_by_chance(image: Tensor, chance: torch.Generator) -> Tensor:
    count = len(image)
    upper = torch.exp(_between(math.log(EDGE_MIN), math.log(EDGE_MAX), count, chance))
    found = edges(image, upper=upper, smooth=_between(0.0, 1.0, count, chance))
    wide = torch.maximum(found, _moved(found, 1, 0))
    return torch.where(_uniform(count, chance) < 0.2, torch.maximum(wide, _moved(wide, 0, 1)), found)


def _faint(lines: Tensor, chance: torch.Generator) -> Tensor:
    """Some of the drawings grey or soft, as lines get when a large drawing is made small."""
    count = len(lines)
    soft = torch.where(_uniform(count, chance) < 0.2, 1.6 * _blurred(lines), lines).clamp(0, 1)
    grey = torch.where(_uniform(count, chance) < 0.3, _between(0.4, 1.0, count, chance), 1.0)
    return soft * grey


def _kept(lines: Tensor, chance: torch.Generator) -> Tensor:
    """1 where a scribble keeps its line: all but some patches."""
    patches = torch.rand((len(lines), 1, 6, 6), generator=chance, device=lines.device)
    plane = functional.interpolate(patches, lines.shape[2:], mode="bilinear")
    return (plane > _between(0.0, 0.35, len(lines), chance)).float()


def _shifted(plane: Tensor, chance: torch.Generator, furthest: float) -> Tensor:
    """The plane with its points moved smoothly by up to about ``furthest`` pixels."""
    count, _, rows, columns = plane.shape
    device = plane.device
    bends = torch.rand((count, 2, 5, 5), generator=chance, device=device) * 2 - 1
    bends = bends * _uniform(count, chance) * furthest
    bends = functional.interpolate(bends, (rows, columns), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    whole = torch.eye(2, 3, device=device).expand(count, 2, 3)
    grid = functional.affine_grid(whole, [count, 1, rows, columns], align_corners=False)
    pixels = torch.tensor([2 / columns, 2 / rows], device=device)
    return functional.grid_sample(plane, grid + bends * pixels, padding_mode="border", align_corners=False)


def _blurred(image: Tensor) -> Tensor:
    """Weights 1 4 6 4 1, across and down."""
    wide = functional.pad(image, (2, 2, 0, 0), mode="replicate")
    wide = (wide[..., :-4] + wide[..., 4:] + 4 * (wide[..., 1:-3] + wide[..., 3:-1]) + 6 * image) / 16
    tall = functional.pad(wide, (0, 0, 2, 2), mode="replicate")
    outer, inner = tall[..., :-4, :] + tall[..., 4:, :], tall[..., 1:-3, :] + tall[..., 3:-1, :]
    return (outer + 4 * inner + 6 * wide) / 16


def _slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's slopes of every channel, to the right and downwards, a pixel."""
    framed = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    down, across = framed[..., 2:, :] - framed[..., :-2, :], framed[..., 2:] - framed[..., :-2]
    down = (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 8
    across = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 8
    return across, down


def _is_crest(steepness: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Whether no neighbour along the slope, to the nearest eighth of a turn, is steeper."""
    eighth = torch.round(torch.atan2(down, across) / (math.pi / 4)).long() % 4
    crest = torch.zeros_like(steepness, dtype=torch.bool)
    for number, (right, below) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1))):
        ahead, behind = _moved(steepness, -right, -below), _moved(steepness, right, below)
        # On a flat top one side must be strictly lower, or the line would be two pixels thick.
        crest = crest | ((eighth == number) & (steepness > ahead) & (steepness >= behind))
    return crest


def _moved(plane: Tensor, right: int, below: int) -> Tensor:
    """The plane moved by at most a pixel each way, zeros coming in."""
    rows, columns = plane.shape[2:]
    framed = functional.pad(plane, (1, 1, 1, 1))
    return framed[:, :, 1 - below : 1 - below + rows, 1 - right : 1 - right + columns]


def _uniform(count: int, chance: torch.Generator) -> Tensor:
    return torch.rand((count, 1, 1, 1), generator=chance, device=chance.device)


def _between(low: float, high: float, count: int, chance: torch.Generator) -> Tensor:
    return low + (high - low) * _uniform(count, chance)
