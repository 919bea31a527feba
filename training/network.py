"""Pastina's networks in PyTorch; parameters are named as the exported graphs name their weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.shape import (
    FREQUENCIES,
    FREQUENCY_MAX,
    POOLED_GAIN,
    TEXT_TOKENS,
    TEXT_WIDTH,
    TOKEN_GAIN,
    AutoencoderShape,
    DenoiserShape,
)

MASKED = -1e4


class Hint(NamedTuple):
    """What is added before every block: to the trunk (blocks b n width) and, if there is one, to the fine transformer."""

    trunk: Tensor
    fine: Tensor | None = None

    def at(self, sigma: Tensor) -> Hint:
        """The hint as strong as the clean latent is unsure at ``sigma``: it need not learn to be silent where all is seen."""
        unsure = (1 - input_scale(sigma).square()).view(1, -1, 1, 1)
        return Hint(self.trunk * unsure, None if self.fine is None else self.fine * unsure)


class Attention(nn.Module):
    """Self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        query, key, value = self.qkv(x).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))


class Cross(nn.Module):
    """Attention to the prompt; starts out adding nothing."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key_value, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        batch, count, width = x.shape
        query = self.query(self.norm(x)).reshape(batch, count, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(tokens).reshape(batch, TEXT_TOKENS, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))


class Perceptron(nn.Module):
    """Two layers, four times as wide in between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(functional.gelu(self.widen(x), approximate="tanh"))


class Block(nn.Module):
    """Self-attention, attention to the prompt if ``reads``, perceptron; modulated by what all blocks share plus its own."""

    def __init__(self, width: int, heads: int, *, reads: bool) -> None:
        super().__init__()
        self.attention, self.mlp = Attention(width, heads), Perceptron(width)
        self.cross = Cross(width, heads) if reads else None
        self.modulation = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: Tensor, shared: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        scale, shift, gate, scale2, shift2, gate2 = (shared + self.modulation).unsqueeze(2).unbind(1)
        x = x + gate * self.attention(_normal(x) * (1 + scale) + shift)
        if self.cross is not None:
            x = x + self.cross(x, tokens, mask)
        return x + gate2 * self.mlp(_normal(x) * (1 + scale2) + shift2)


class Fine(nn.Module):
    """The transformer over small patches that corrects the trunk's answer; starts out changing nothing."""

    def __init__(self, shape: DenoiserShape) -> None:
        super().__init__()
        width = shape.fine_width
        self.side = shape.fine_per_patch
        self.from_trunk = nn.Linear(shape.width, self.side**2 * width)
        self.patch_in = nn.Linear(shape.fine_numbers, width)
        self.position = nn.Parameter(torch.randn(1, (shape.grid // shape.fine_patch) ** 2, width) * 0.02)
        self.modulation = nn.Linear(shape.width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, shape.fine_heads, reads=False) for _ in range(shape.fine_depth))
        self.final_modulation = nn.Linear(shape.width, 2 * width)
        self.patch_out = nn.Linear(width, shape.fine_numbers)
        for layer in (self.modulation, self.patch_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, patches: Tensor, trunk: Tensor, signal: Tensor, tokens: Tensor, mask: Tensor, hint: Tensor | None = None
    ) -> Tensor:
        """Patches b h w n and the trunk's states b h/side w/side d -> the correction, as patches."""
        cells = to_image(self.from_trunk(trunk), self.side).permute(0, 2, 3, 1)
        x = (self.patch_in(patches) + cells).flatten(1, 2)
        x = x + stretched(self.position, patches.shape[1], patches.shape[2])
        shared = self.modulation(signal).unflatten(1, (6, -1))
        for number, block in enumerate(self.blocks):
            x = block(x if hint is None else x + hint[number], shared, tokens, mask)
        scale, shift = self.final_modulation(signal).unsqueeze(1).chunk(2, 2)
        return self.patch_out(_normal(x) * (1 + scale) + shift).unflatten(1, patches.shape[1:3])


class Denoiser(nn.Module):
    """Noisy latent and prompt -> clean latent."""

    def __init__(self, shape: DenoiserShape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.patch_in = nn.Linear(shape.patch_numbers, width)
        self.position = nn.Parameter(torch.randn(1, (shape.grid // shape.patch) ** 2, width) * 0.02)
        self.time_in, self.time_out = nn.Linear(2 * FREQUENCIES, width), nn.Linear(width, width)
        self.pooled_in, self.token_in = nn.Linear(TEXT_WIDTH, width), nn.Linear(TEXT_WIDTH, width)
        self.token_position = nn.Parameter(torch.randn(1, TEXT_TOKENS, width) * 0.02)
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, shape.heads, reads=True) for _ in range(shape.depth))
        self.final_modulation, self.patch_out = nn.Linear(width, 2 * width), nn.Linear(width, shape.patch_numbers)
        self.fine = Fine(shape) if shape.fine_depth else None
        frequencies = torch.exp(torch.linspace(0, math.log(FREQUENCY_MAX), FREQUENCIES))
        self.register_buffer("frequencies", frequencies[None], persistent=False)
        for layer in (self.modulation, self.patch_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: Tensor, sigma: Tensor, states: Tensor, pooled: Tensor, mask: Tensor, hint: Hint | None = None
    ) -> Tensor:
        """The network's own answer F for the scaled latent; ``velocity_target`` is what it learns to give."""
        angle = sigma.log()[:, None] / 4 * self.frequencies
        time = self.time_out(functional.silu(self.time_in(torch.cat([angle.cos(), angle.sin()], 1))))
        signal = functional.silu(time + self.pooled_in(pooled * POOLED_GAIN))
        tokens = self.token_in(states * TOKEN_GAIN) + self.token_position
        masked = ((1 - mask) * MASKED)[:, None, None]
        hint = None if hint is None else hint.at(sigma)
        patches = to_patches(x, self.shape.patch)
        hidden = self.patch_in(patches).flatten(1, 2) + stretched(self.position, patches.shape[1], patches.shape[2])
        shared = self.modulation(signal).unflatten(1, (6, -1))
        for number, block in enumerate(self.blocks):
            hidden = block(hidden if hint is None else hidden + hint.trunk[number], shared, tokens, masked)
        scale, shift = self.final_modulation(signal).unsqueeze(1).chunk(2, 2)
        last = (_normal(hidden) * (1 + scale) + shift).unflatten(1, patches.shape[1:3])
        answer = to_image(self.patch_out(last), self.shape.patch)
        if self.fine is None:
            return answer
        small = to_patches(x, self.shape.fine_patch)
        fine_hint = None if hint is None else hint.fine
        return answer + to_image(self.fine(small, last, signal, tokens, masked, fine_hint), self.shape.fine_patch)


class Residual(nn.Module):
    """Two convolutions around which the input passes by."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.one, self.two = _convolution(channels, channels), _convolution(channels, channels)
        nn.init.zeros_(self.two.weight)
        nn.init.zeros_(self.two.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(functional.silu(self.one(functional.silu(self.norm(x)))))


class Encoder(nn.Module):
    """Pictures in [-1, 1] -> mean and log-variance of raw latents."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        wide, deep = shape.encoder
        self.enter, self.first = _convolution(12, wide), Residual(wide)
        self.shrink, self.second, self.third = _convolution(wide, deep, stride=2), Residual(deep), Residual(deep)
        self.norm, self.leave = nn.GroupNorm(8, deep), _convolution(deep, 2 * shape.channels)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(self.enter(to_patches(image, 2).permute(0, 3, 1, 2)))
        x = self.third(self.second(self.shrink(x)))
        mean, spread = self.leave(functional.silu(self.norm(x))).chunk(2, 1)
        return mean, spread.clamp(-10, 4)


class Decoder(nn.Module):
    """Raw latents -> pictures."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        wide, deep = shape.decoder
        self.enter, self.first, self.second = _convolution(shape.channels, deep), Residual(deep), Residual(deep)
        self.grow, self.third, self.fourth = _convolution(deep, 4 * wide), Residual(wide), Residual(wide)
        self.norm, self.leave = nn.GroupNorm(8, wide), _convolution(wide, 12)

    def forward(self, latent: Tensor) -> Tensor:
        x = self.second(self.first(self.enter(latent)))
        x = self.fourth(self.third(functional.pixel_shuffle(self.grow(x), 2)))
        return functional.pixel_shuffle(self.leave(functional.silu(self.norm(x))), 2)


class Autoencoder(nn.Module):
    """Encoder and decoder."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)

    def forward(self, image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The picture rebuilt from one draw of its latent, and the latent's mean and log-variance."""
        mean, spread = self.encoder(image)
        return self.decoder(mean + noise * (spread / 2).exp()), mean, spread


def to_patches(x: Tensor, side: int) -> Tensor:
    """B c h w -> b h/side w/side n, the numbers of a patch ordered row, column, channel."""
    batch, channels, height, width = x.shape
    cut = x.reshape(batch, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, height // side, width // side, side * side * channels)


def to_image(patches: Tensor, side: int) -> Tensor:
    """The inverse of ``to_patches``."""
    batch, rows, columns, _ = patches.shape
    cut = patches.reshape(batch, rows, columns, side, side, -1)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, rows * side, columns * side)


def stretched(position: Tensor, rows: int, columns: int) -> Tensor:
    """The square position embedding, 1 n d, at another size."""
    side = math.isqrt(position.shape[1])
    if (rows, columns) == (side, side):
        return position
    plane = position.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    return functional.interpolate(plane, (rows, columns), mode="bilinear").flatten(2).transpose(1, 2)


def estimate(answer: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """The clean latent from the network's ``answer`` to ``x * input_scale``, sigma_data being 1 [Karras 2022, Eq. 7]."""
    scale = input_scale(sigma)
    return x * scale**2 - answer * sigma.view(-1, 1, 1, 1) * scale


def input_scale(sigma: Tensor) -> Tensor:
    """1 / sqrt(sigma^2 + 1), b 1 1 1."""
    return (sigma.view(-1, 1, 1, 1) ** 2 + 1).rsqrt()


def velocity_target(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """What the network is to answer: the v of v-prediction [Salimans 2022, Sec. 4]."""
    return (noise - sigma.view(-1, 1, 1, 1) * clean) * input_scale(sigma)


def _normal(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:])


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)
