"""The encoders of hints: what steers the denoiser beside the prompt."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aldente.models.pastina.facts import CONTROLS
from training.network import Hint, Residual, to_patches
from training.shape import LATENT_SCALE, DenoiserShape, SteeringShape


class _Active(nn.GroupNorm):
    """SiLU of what is brought to unit size: lines are sparse, and would hardly be felt after three convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__(8, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(super().forward(x))


class HintEncoder(nn.Module):
    """Planes of the latent's size -> a hint of every block; starts out hinting nothing."""

    def __init__(self, planes: int, widths: tuple[int, int, int], shape: DenoiserShape) -> None:
        super().__init__()
        near, middle, far = widths
        self.shape = shape
        self.enter, self.first, self.near = nn.Conv2d(planes, near, 3, 1, 1), Residual(near), _Active(near)
        self.shrink, self.second = nn.Conv2d(near, middle, 3, shape.fine_patch, 1), Residual(middle)
        self.condense, self.third = nn.Conv2d(middle, far, 3, shape.fine_per_patch, 1), Residual(far)
        self.middle, self.far = _Active(middle), _Active(far)
        self.trunk = nn.Linear(far, shape.depth * shape.width)
        self.fine = nn.Linear(middle, shape.fine_depth * shape.fine_width) if shape.fine_depth else None
        for head in (self.trunk, self.fine):
            if head is not None:
                nn.init.zeros_(head.weight)
                nn.init.zeros_(head.bias)

    def forward(self, planes: Tensor) -> Hint:
        """The hint of planes b c h w."""
        small = self.middle(self.second(self.shrink(self.near(self.first(self.enter(planes))))))
        large = self.far(self.third(self.condense(small)))
        fine = None if self.fine is None else _by_block(self.fine(_tokens(small)), self.shape.fine_depth)
        return Hint(_by_block(self.trunk(_tokens(large)), self.shape.depth), fine)


class Steering(nn.Module):
    """Both encoders."""

    def __init__(self, shape: SteeringShape, denoiser: DenoiserShape) -> None:
        super().__init__()
        cells = LATENT_SCALE**2
        self.shape, self.denoiser = shape, denoiser
        self.control = HintEncoder(cells + len(CONTROLS), shape.widths, denoiser)
        self.inpainting = HintEncoder(denoiser.channels + cells, shape.widths, denoiser)

    def hint_of_control(self, picture: Tensor, kinds: Tensor) -> Hint:
        """The hint of control pictures, b 1 h w in [0, 1], of ``kinds``, b k: 1 at a picture's kind."""
        lines = to_patches(picture, LATENT_SCALE).permute(0, 3, 1, 2)
        told = kinds[:, :, None, None].expand(-1, -1, *lines.shape[2:])
        return self.control(torch.cat([lines, told], 1))

    def hint_of_inpainting(self, latent: Tensor, hole: Tensor) -> Hint:
        """The hint of pictures' latents and of the masks, b 1 h w in pixels, that are 1 where there is nothing to be seen."""
        return self.inpainting(torch.cat([latent, to_patches(hole, LATENT_SCALE).permute(0, 3, 1, 2)], 1))


def joined(one: Hint, other: Hint) -> Hint:
    """The hints of two batches as one batch."""
    fine = None if one.fine is None or other.fine is None else torch.cat([one.fine, other.fine], 1)
    return Hint(torch.cat([one.trunk, other.trunk], 1), fine)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _by_block(tokens: Tensor, depth: int) -> Tensor:
    """B n (depth width) -> depth b n width."""
    return tokens.unflatten(2, (depth, -1)).permute(2, 0, 1, 3)
