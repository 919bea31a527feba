"""Control networks and adapters beside a U-Net: ControlNet [Zhang 2023c] and T2I-Adapter [Mou 2023]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.diffusers.features import Features, Residuals
from aldente.models.diffusers.hints import INPAINTING, Hint, Hints, planes_of
from aldente.models.diffusers.unet import PIXELS, UNet

SOFTNESS = 0.825
"""What a soft hint's weight is multiplied by at each skip that is finer than the one before, as in A1111's extension."""

KEPT = 16
"""Pictures whose adapter features stay in memory."""


class _Asked(NamedTuple):
    """A row of the batch that a network is asked about, with the picture and its weight."""

    row: int
    hint: Hint
    weight: float


class Controls:
    """The control networks that are at hand, by name, each opened when it is first used; ``cells`` are a latent's channels."""

    def __init__(self, nets: Mapping[str, Callable[[], Any]], unet: UNet, *, cells: int) -> None:
        self._openers, self._unet, self._cells = dict(nets), unet, cells
        self._nets: dict[str, Any] = {}
        self._features = lru_cache(maxsize=KEPT)(self._adapted)

    def residuals(self, seen: Tensor, times: Tensor, rows: Sequence[Features], hints: Sequence[Hints]) -> Residuals:
        """What the hints of each row add to its way through the U-Net; rows without are added zeros."""
        asked: dict[str, list[_Asked]] = {}
        for row, own in enumerate(hints):
            for hint, weight in own:
                if hint.kind != INPAINTING:
                    asked.setdefault(hint.kind, []).append(_Asked(row, hint, weight))
        total = Residuals()
        for kind, questions in asked.items():
            net = self._net(kind)
            if type(net).__name__ == "T2IAdapter":
                total = _added(total, inner=self._adapter(kind, questions, seen))
            else:
                total = _added(total, skips=self._controlled(net, questions, seen, times, rows))
        return total

    def _controlled(
        self, net: Any, questions: Sequence[_Asked], seen: Tensor, times: Tensor, rows: Sequence[Features]
    ) -> tuple[Tensor, ...]:
        """What a ControlNet adds to the skips and, last, to the middle; all its questions in one call."""
        index = [question.row for question in questions]
        height, width = (PIXELS * side for side in seen.shape[2:])
        pictures = torch.cat([planes_of(question.hint.pixels, height, width) for question in questions])
        x, own = seen[index, : self._cells], [rows[row] for row in index]
        skips, middle = net(
            x,
            times[index],
            encoder_hidden_states=torch.cat([row.context for row in own]),
            controlnet_cond=pictures.to(x),
            added_cond_kwargs=self._unet.sizes(x, own),
            return_dict=False,
        )
        found = [*skips, middle]
        last = len(found) - 1
        strengths = [
            [q.weight * (SOFTNESS ** (last - at) if q.hint.soft else 1.0) for q in questions] for at in range(last + 1)
        ]
        return tuple(_spread(part, index, own, seen.shape[0]) for part, own in zip(found, strengths, strict=True))

    def _adapter(self, kind: str, questions: Sequence[_Asked], seen: Tensor) -> tuple[Tensor, ...]:
        """What a T2I-Adapter adds on the way down; it does not look at the noise, so that it is asked once for each picture."""
        height, width = (PIXELS * side for side in seen.shape[2:])
        found = [self._features(kind, question.hint, height, width) for question in questions]
        index = [question.row for question in questions]
        last = len(found[0]) - 1
        parts = []
        for at in range(last + 1):
            strengths = [q.weight * (SOFTNESS ** (last - at) if q.hint.soft else 1.0) for q in questions]
            parts.append(_spread(torch.cat([features[at] for features in found]), index, strengths, seen.shape[0]))
        return tuple(parts)

    def _adapted(self, kind: str, hint: Hint, height: int, width: int) -> tuple[Tensor, ...]:
        net = self._net(kind)
        planes = planes_of(hint.pixels, height, width)
        if net.config.in_channels == 1:
            planes = planes.mean(dim=1, keepdim=True)
        return tuple(net(planes.to(device=net.device, dtype=net.dtype)))

    def _net(self, kind: str) -> Any:
        if kind not in self._nets:
            net = self._openers[kind]()
            if type(net).__name__ not in ("ControlNetModel", "T2IAdapter"):
                raise UserError(f"control '{kind}' is a {type(net).__name__}; a U-Net takes a ControlNetModel or a T2IAdapter.")
            self._nets[kind] = net
        return self._nets[kind]


def _added(total: Residuals, *, skips: tuple[Tensor, ...] = (), inner: tuple[Tensor, ...] = ()) -> Residuals:
    """The residuals with others on top; the last of ``skips`` is that of the middle."""
    if skips:
        before = (*total.skips, total.middle) if total.middle is not None else tuple(map(torch.zeros_like, skips))
        *sums, middle = (one + other for one, other in zip(before, skips, strict=True))
        return Residuals(skips=tuple(sums), middle=middle, inner=total.inner)
    before = total.inner or tuple(map(torch.zeros_like, inner))
    sums = [one + other for one, other in zip(before, inner, strict=True)]
    return Residuals(skips=total.skips, middle=total.middle, inner=tuple(sums))


def _spread(part: Tensor, index: Sequence[int], strengths: Sequence[float], count: int) -> Tensor:
    """What was found for some rows, times their strengths, among zeros for the others."""
    factors = torch.tensor(strengths, dtype=part.dtype, device=part.device)[:, None, None, None]
    whole = part.new_zeros((count, *part.shape[1:]))
    return whole.index_add(0, torch.tensor(index, device=part.device), part * factors)
