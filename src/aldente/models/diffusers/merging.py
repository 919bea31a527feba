"""Token merging: tokens that are alike attend as one [Bolya 2023]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

_SELF = "attn1"
"""What the attention of a picture to itself is called in a U-Net's transformer blocks."""


class Grid(NamedTuple):
    """How tokens are shared out: the first of each square of 2 x 2 takes others in (``into``), the rest may merge (``out``)."""

    into: Tensor
    out: Tensor


class TokenMerging:
    """The self-attentions of a U-Net at its highest resolution, which can be told to merge tokens.

    Which tokens are merged depends on a row's own states alone; there is no chance in it. Nothing is changed where nothing
    is merged, and nothing put into the U-Net before it is asked for.
    """

    def __init__(self, unet: Any) -> None:
        self._unet = unet
        self._level, self._attentions = _highest(unet)
        self._into_place = False
        self.ratio = 0.0
        self.size = (0, 0)

    @contextmanager
    def merged(self, ratio: float, height: int, width: int) -> Iterator[None]:
        """Inside, the share ``ratio`` of the tokens of latents of ``height`` x ``width`` is merged."""
        if ratio <= 0.0:
            yield
            return
        if not self._into_place:
            for attention in self._attentions:
                attention.set_processor(_Merging(attention.processor, self))
            self._into_place = True
        for _ in range(self._level):
            height, width = -(-height // 2), -(-width // 2)
        self.ratio, self.size = ratio, (height, width)
        try:
            yield
        finally:
            self.ratio = 0.0


def tokens(height: int, width: int, device: torch.device) -> Grid:
    """The places of the tokens of ``height`` x ``width``, those that take in and those that may merge."""
    places = torch.arange(height * width, device=device).reshape(height, width)
    first = torch.zeros(height, width, dtype=torch.bool, device=device)
    first[::2, ::2] = True
    return Grid(places[first], places[~first])


class _Merging:
    """An attention of a picture to itself that merges tokens where it is told to."""

    def __init__(self, plain: Any, told: TokenMerging) -> None:
        self._plain, self._told = plain, told

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """What the layer answers; the names are those by which diffusers calls it."""
        ratio = self._told.ratio
        if ratio == 0.0 or encoder_hidden_states is not None:
            found: Tensor = self._plain(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
            return found
        merge = _matched(hidden_states, tokens(*self._told.size, hidden_states.device), ratio)
        answered = self._plain(attn, merge.together(hidden_states), None, attention_mask, temb)
        return merge.apart(answered)


class _Merge(NamedTuple):
    """Which tokens of a row go where: ``merged`` (b r) into the ``target``-th of ``into``, while ``kept`` (b k) stay."""

    into: Tensor
    kept: Tensor
    merged: Tensor
    target: Tensor

    def together(self, states: Tensor) -> Tensor:
        """The tokens that are left of b n d: those that stay, and the means of those that take in."""
        taking = states[:, self.into]
        count = taking.new_zeros(taking.shape[0], self.into.shape[0], self.merged.shape[1])
        # A product rather than a scattered sum, which has no fixed order on a GPU.
        chosen = count.scatter_(1, self.target[:, None, :], 1.0)
        total = taking + chosen @ _at(states, self.merged)
        mean = total / (1.0 + chosen.sum(dim=2, keepdim=True))
        return torch.cat([_at(states, self.kept), mean], dim=1)

    def apart(self, states: Tensor) -> Tensor:
        """All tokens again: those that were merged have what they were merged into."""
        stayed, took = states[:, : self.kept.shape[1]], states[:, self.kept.shape[1] :]
        rows, width = states.shape[0], states.shape[2]
        whole = states.new_empty(rows, stayed.shape[1] + took.shape[1] + self.merged.shape[1], width)
        whole[:, self.into] = took
        for places, found in ((self.kept, stayed), (self.merged, _at(took, self.target))):
            whole.scatter_(1, places[:, :, None].expand(-1, -1, width), found)
        return whole


def _matched(states: Tensor, grid: Grid, ratio: float) -> _Merge:
    """The tokens most like one of those that take in, each with that one."""
    unit = normalize(states.float(), dim=-1)
    likeness, target = (unit[:, grid.out] @ unit[:, grid.into].transpose(1, 2)).max(dim=2)
    count = min(int(states.shape[1] * ratio), grid.out.shape[0])
    order = likeness.argsort(dim=1, descending=True, stable=True)
    places = grid.out.expand(states.shape[0], -1)
    # Those that stay keep their order, so that an attention to neighbours in memory stays one to neighbours.
    kept = places.gather(1, order[:, count:].sort(dim=1).values)
    return _Merge(grid.into, kept, places.gather(1, order[:, :count]), target.gather(1, order[:, :count]))


def _at(states: Tensor, places: Tensor) -> Tensor:
    """The tokens of each row (b n d) at its places (b k)."""
    return states.gather(1, places[:, :, None].expand(-1, -1, states.shape[2]))


def _highest(unet: Any) -> tuple[int, list[Any]]:
    """How often a latent is halved before it first meets itself, and the attentions at that size, on the way down and up."""
    level = next((number for number, block in enumerate(unet.down_blocks) if getattr(block, "attentions", None)), None)
    if level is None:
        return 0, []
    blocks = (unet.down_blocks[level], unet.up_blocks[len(unet.down_blocks) - 1 - level])
    blocks_of = [inner for block in blocks for one in block.attentions for inner in one.transformer_blocks]
    return level, [getattr(inner, _SELF) for inner in blocks_of]
