"""Control networks and adapters beside a denoiser: ControlNet [Zhang 2023c] and T2I-Adapter [Mou 2023]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.diffusers.autoencoder import Autoencoder
from aldente.models.diffusers.control_nets import ASKING, FLUX_MODES, SDXL_MODES, Question
from aldente.models.diffusers.features import Features, Network, Residuals
from aldente.models.diffusers.hints import Hint, Hints, planes_of
from aldente.models.diffusers.unet import PIXELS, UNet

SOFTNESS = 0.825
"""What a soft hint's weight is multiplied by at each skip that is finer than the one before, as in A1111's extension."""

KEPT = 16
"""Pictures whose latents, and whose adapter features, stay in memory."""

ADAPTER = "T2IAdapter"


class _Asked(NamedTuple):
    """A row of the batch that a network is asked about, with the picture and its weight."""

    row: int
    hint: Hint
    weight: float


class Controls:
    """The control networks that are at hand, by name, each opened when it is first used."""

    def __init__(self, nets: Mapping[str, Callable[[], Any]], network: Network, autoencoder: Autoencoder) -> None:
        self._openers, self._network, self._autoencoder = dict(nets), network, autoencoder
        self._nets: dict[str, Any] = {}
        self._features = lru_cache(maxsize=KEPT)(self._adapted)
        self._latents = lru_cache(maxsize=KEPT)(self._encoded)

    def residuals(self, seen: Tensor, times: Tensor, rows: Sequence[Features], hints: Sequence[Hints]) -> Residuals:
        """What the hints of each row add to its way through the denoiser; rows without are added zeros."""
        asked: dict[str, list[_Asked]] = {}
        for row, own in enumerate(hints):
            for hint, weight in own:
                if hint.kind in self._openers:
                    asked.setdefault(hint.kind, []).append(_Asked(row, hint, weight))
        total = Residuals()
        for kind, questions in asked.items():
            net = self._net(kind)
            if type(net).__name__ == ADAPTER:
                total = _added(total, self._adapter(kind, questions, seen))
            else:
                total = _added(total, self._controlled(kind, net, questions, seen, times, rows))
        return total

    def _controlled(
        self, kind: str, net: Any, questions: Sequence[_Asked], seen: Tensor, times: Tensor, rows: Sequence[Features]
    ) -> Residuals:
        """What a ControlNet adds; all its questions in one call."""
        index = [question.row for question in questions]
        height, width = (PIXELS * side for side in seen.shape[2:])
        pictures = torch.cat([planes_of(question.hint.pixels, height, width) for question in questions])
        x = seen[index, : self._autoencoder.channels]
        asking = ASKING[type(net).__name__]
        question = Question(
            x=x,
            times=times[index],
            rows=[rows[row] for row in index],
            planes=pictures.to(x),
            latents=lambda: torch.cat([self._latents(one.hint, height, width) for one in questions]),
            offset=self._autoencoder.offset,
            mode=_mode(kind, net),
        )
        found = asking.ask(net, self._network, question)
        return asking.laid_out(net, self._network, _spread(found, questions, seen.shape[0]))

    def _adapter(self, kind: str, questions: Sequence[_Asked], seen: Tensor) -> Residuals:
        """What a T2I-Adapter adds on the way down; it does not look at the noise, so that it is asked once for each picture."""
        height, width = (PIXELS * side for side in seen.shape[2:])
        found = [self._features(kind, question.hint, height, width) for question in questions]
        return _spread(Residuals(inner=tuple(map(torch.cat, zip(*found, strict=True)))), questions, seen.shape[0])

    def _adapted(self, kind: str, hint: Hint, height: int, width: int) -> tuple[Tensor, ...]:
        net = self._net(kind)
        planes = planes_of(hint.pixels, height, width)
        if net.config.in_channels == 1:
            planes = planes.mean(dim=1, keepdim=True)
        return tuple(net(planes.to(device=net.device, dtype=net.dtype)))

    def _encoded(self, hint: Hint, height: int, width: int) -> Tensor:
        return self._autoencoder.encode_planes(2.0 * planes_of(hint.pixels, height, width) - 1.0)

    def _net(self, kind: str) -> Any:
        if kind not in self._nets:
            net = self._openers[kind]()
            name, denoiser = type(net).__name__, type(self._network)
            known = [one for one, asking in ASKING.items() if asking.denoiser is denoiser]
            known += [ADAPTER] if denoiser is UNet else []
            if name not in known:
                raise UserError(f"control '{kind}' is a {name}; this checkpoint takes: {', '.join(known)}.")
            self._nets[kind] = net
        return self._nets[kind]


def _mode(kind: str, net: Any) -> int:
    """The number of what a union network is to take a picture for, which stands after its name; 0 for all others."""
    modes = {"ControlNetUnionModel": SDXL_MODES, "FluxControlNetModel": FLUX_MODES}.get(type(net).__name__, ())
    named = kind.rpartition(":")[2]
    return modes.index(named) if named in modes else 0


def _added(total: Residuals, more: Residuals) -> Residuals:
    """Both residuals together."""
    return Residuals(
        skips=_sums(total.skips, more.skips),
        middle=more.middle if total.middle is None else total.middle if more.middle is None else total.middle + more.middle,
        inner=_sums(total.inner, more.inner),
    )


def _sums(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True)) if one and other else one or other


def _spread(found: Residuals, questions: Sequence[_Asked], count: int) -> Residuals:
    """What was found for some rows, times their weights, among zeros for the others of ``count``.

    A soft hint's weight falls from the middle on, or from the last skip where nothing is for the middle.
    """
    index = torch.tensor([question.row for question in questions])

    def laid(part: Tensor, finer: int) -> Tensor:
        strengths = [q.weight * (SOFTNESS**finer if q.hint.soft else 1.0) for q in questions]
        factors = torch.tensor(strengths, dtype=part.dtype, device=part.device).reshape(-1, *[1] * (part.ndim - 1))
        return part.new_zeros((count, *part.shape[1:])).index_add(0, index.to(part.device), part * factors)

    last = len(found.skips) - (found.middle is None)
    return Residuals(
        skips=tuple(laid(part, last - at) for at, part in enumerate(found.skips)),
        middle=None if found.middle is None else laid(found.middle, 0),
        inner=tuple(laid(part, len(found.inner) - 1 - at) for at, part in enumerate(found.inner)),
    )
