"""The U-Nets: Stable Diffusion 1 and 2, SDXL and its refiner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aldente.models.diffusers.clip import ClipReader
from aldente.models.diffusers.features import Features, Residuals
from aldente.models.diffusers.merging import TokenMerging
from aldente.models.port import Words

PIXELS = 8
"""The side of a latent's cell in pixels."""

SCORE, NEGATIVE_SCORE = 6.0, 2.5
"""The aesthetic scores that SDXL's refiner is told for the prompt and for the negative prompt, as its release does."""


class UNet:
    """A U-Net with one CLIP or two; ``empty_is_nothing`` says that an empty negative prompt is read as zeros, as in SDXL."""

    def __init__(self, unet: Any, readers: Sequence[ClipReader], *, empty_is_nothing: bool) -> None:
        self._unet, self._readers, self._empty_is_nothing = unet, tuple(readers), empty_is_nothing
        self._sized = unet.config.addition_embed_type == "text_time"
        self._merging = TokenMerging(unet)
        self._ids = 0
        if self._sized:
            told = unet.add_embedding.linear_1.in_features - readers[-1].encoder.config.projection_dim
            self._ids = told // unet.config.addition_time_embed_dim

    @property
    def clip_layers(self) -> int:
        """How many layers of the text encoder may be read, from the end."""
        return min(reader.layers for reader in self._readers)

    @property
    def hears_again(self) -> bool:
        """Yes: text has an attention of its own."""
        return True

    def read(self, words: Words) -> Features:
        """The states of the text encoders side by side, and the pooled ones of the last."""
        least = max(len(reader.chunks(words)) for reader in self._readers)
        found = [reader.read(words, least=least) for reader in self._readers]
        context = torch.cat([reading.states for reading in found], dim=-1)
        pooled = found[-1].pooled if self._sized else None
        if self._empty_is_nothing and words.negative and not any(text.strip() for part in words.chunks for text, _ in part):
            context, pooled = torch.zeros_like(context), None if pooled is None else torch.zeros_like(pooled)
        return Features(
            context=context, pooled=pooled, negative=words.negative, distilled=words.distilled, merging=words.merging
        )

    def answer(self, x: Tensor, timesteps: Tensor, rows: Sequence[Features], residuals: Residuals) -> Tensor:
        """What the U-Net answers; see ``Network``."""
        with self._merging.merged(rows[0].merging, x.shape[2], x.shape[3]):
            answer: Tensor = self._unet(
                x,
                timesteps,
                encoder_hidden_states=torch.cat([row.context for row in rows]),
                added_cond_kwargs=self.sizes(x, rows),
                timestep_cond=self._guidance(x, rows),
                cross_attention_kwargs={"ip_hidden_states": residuals.shown} if residuals.shown else None,
                down_block_additional_residuals=residuals.skips or None,
                mid_block_additional_residual=residuals.middle,
                down_intrablock_additional_residuals=list(residuals.inner) or None,
                return_dict=False,
            )[0]
        return answer

    def sizes(self, x: Tensor, rows: Sequence[Features]) -> dict[str, Tensor] | None:
        """What SDXL is told of the size: that of the picture that is drawn, not cropped [Podell 2023, Sec. 2.2]."""
        if not self._sized:
            return None
        height, width = (PIXELS * side for side in x.shape[2:])
        told = [_size_ids(height, width, self._ids, negative=row.negative) for row in rows]
        pooled = torch.cat([row.pooled for row in rows if row.pooled is not None])
        return {"text_embeds": pooled, "time_ids": torch.tensor(told, dtype=pooled.dtype, device=x.device)}

    def _guidance(self, x: Tensor, rows: Sequence[Features]) -> Tensor | None:
        """What a consistency model is told of its guidance [Luo 2023, Sec. 4.2]; None for all others."""
        width = self._unet.config.time_cond_proj_dim
        if width is None:
            return None
        scales = torch.tensor([row.distilled for row in rows], dtype=torch.float32, device=x.device)
        half = width // 2
        speeds = torch.exp(torch.arange(half, device=x.device) * -(math.log(10000.0) / (half - 1)))
        angles = 1000.0 * (scales - 1.0)[:, None] * speeds[None]
        return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1).to(x.dtype)


def _size_ids(height: int, width: int, count: int, *, negative: bool) -> tuple[float, ...]:
    if count == 5:
        return (height, width, 0.0, 0.0, NEGATIVE_SCORE if negative else SCORE)
    return (height, width, 0.0, 0.0, height, width)
