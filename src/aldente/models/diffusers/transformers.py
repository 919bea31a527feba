"""The transformers of rectified flow: Stable Diffusion 3 and FLUX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aldente.models.diffusers.clip import ClipReader
from aldente.models.diffusers.features import Features, Residuals
from aldente.models.diffusers.t5 import T5Reader
from aldente.models.port import Words


class SD3:
    """Stable Diffusion 3: both CLIPs side by side, T5 after them; without T5, zeros stand where it would speak."""

    def __init__(self, transformer: Any, readers: Sequence[ClipReader], t5: T5Reader | None, *, length: int) -> None:
        self._transformer, self._readers, self._t5, self._length = transformer, tuple(readers), t5, length

    @property
    def blocks(self) -> int:
        """How many blocks the transformer has."""
        return len(self._transformer.transformer_blocks)

    @property
    def clip_layers(self) -> int:
        """How many layers of the text encoder may be read, from the end."""
        return min(reader.layers for reader in self._readers)

    @property
    def hears_again(self) -> bool:
        """No: text and picture attend to both together."""
        return False

    def read(self, words: Words) -> Features:
        """The states of the CLIPs, filled up to T5's width, then T5's."""
        least = max(len(reader.chunks(words)) for reader in self._readers)
        found = [reader.read(words, least=least) for reader in self._readers]
        states = torch.cat([reading.states for reading in found], dim=-1)
        if self._t5 is None:
            long = states.new_zeros((1, self._length, self._transformer.config.joint_attention_dim))
        else:
            long = self._t5.read(words)
        states = torch.nn.functional.pad(states, (0, long.shape[-1] - states.shape[-1]))
        pooled = torch.cat([reading.pooled for reading in found], dim=-1)
        return Features(context=torch.cat([states, long.to(states.dtype)], dim=1), pooled=pooled, negative=words.negative)

    def answer(self, x: Tensor, timesteps: Tensor, rows: Sequence[Features], residuals: Residuals) -> Tensor:
        """What the transformer answers; see ``Network``."""
        answer: Tensor = self._transformer(
            hidden_states=x,
            timestep=timesteps,
            encoder_hidden_states=torch.cat([row.context for row in rows]),
            pooled_projections=torch.cat([row.pooled for row in rows if row.pooled is not None]),
            block_controlnet_hidden_states=list(residuals.skips) or None,
            return_dict=False,
        )[0]
        return answer


class Flux:
    """FLUX: T5's states, CLIP's pooled one; latents in patches of two by two; dev is told its guidance as a number."""

    def __init__(self, transformer: Any, clip: ClipReader, t5: T5Reader) -> None:
        self._transformer, self._clip, self._t5 = transformer, clip, t5
        self._guided = bool(transformer.config.guidance_embeds)

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks with text and picture apart it has, and how many with both together."""
        return len(self._transformer.transformer_blocks), len(self._transformer.single_transformer_blocks)

    @property
    def clip_layers(self) -> int:
        """One: of CLIP only the pooled state is used, which is that of the last layer."""
        return 1

    @property
    def hears_again(self) -> bool:
        """No: text and picture attend to both together."""
        return False

    def read(self, words: Words) -> Features:
        """T5's states and CLIP's pooled one."""
        pooled = self._clip.read(words).pooled
        return Features(context=self._t5.read(words), pooled=pooled, negative=words.negative, distilled=words.distilled)

    def answer(self, x: Tensor, timesteps: Tensor, rows: Sequence[Features], residuals: Residuals) -> Tensor:
        """What the transformer answers; see ``Network``."""
        guidance = None
        if self._guided:
            guidance = torch.tensor([row.distilled for row in rows], dtype=torch.float32, device=x.device)
        context = torch.cat([row.context for row in rows])
        answer = self._transformer(
            hidden_states=packed(x),
            timestep=timesteps / 1000,
            guidance=guidance,
            pooled_projections=torch.cat([row.pooled for row in rows if row.pooled is not None]),
            encoder_hidden_states=context,
            txt_ids=torch.zeros(context.shape[1], 3, device=x.device, dtype=x.dtype),
            img_ids=places(x.shape[2] // 2, x.shape[3] // 2, x),
            controlnet_block_samples=list(residuals.skips) or None,
            controlnet_single_block_samples=list(residuals.inner) or None,
            return_dict=False,
        )[0]
        return unpacked(answer, x.shape[2], x.shape[3])


def packed(x: Tensor) -> Tensor:
    """Latents b c h w as patches of two by two: b (h/2 w/2) 4c."""
    rows, channels, height, width = x.shape
    cells = x.reshape(rows, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(rows, (height // 2) * (width // 2), channels * 4)


def unpacked(x: Tensor, height: int, width: int) -> Tensor:
    """Patches as latents again: the inverse of ``packed``."""
    rows, _, wide = x.shape
    cells = x.reshape(rows, height // 2, width // 2, wide // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(rows, wide // 4, height, width)


def places(height: int, width: int, like: Tensor) -> Tensor:
    """Where each patch is: a number that is 0, its row, its column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1)
    return places.reshape(-1, 3).to(device=like.device, dtype=like.dtype)
