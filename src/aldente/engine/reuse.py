"""Step caching: an evaluation that those before foretell well enough is not asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from aldente.engine.conditioning import mixed, step_of
from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, together
from aldente.engine.levels import Level, log_snr

START, END = 0.15, 0.95
"""The shares of a run between which nothing is reused elsewhere [ComfyOrg 2025], nor here where nothing is said."""

KNOWN = 3
"""Evaluations that a foretold one rests on: two for the line, one more for how far it may be off."""


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """How willingly evaluations are foretold: up to an error of ``threshold``, from ``start`` to ``end`` of the steps.

    The error is that of the estimate over its size, both as mean absolute values [Zhou 2025]. 0 foretells nothing.
    """

    threshold: float
    start: float = START
    end: float = END


class _Known(NamedTuple):
    """An evaluation that was asked for."""

    log_snr: float
    estimate: Estimate


def reusing(denoise: Denoiser, reuse: Reuse, levels: Sequence[Level], changes: Sequence[float] = ()) -> Denoiser:
    """``denoise``, asked only where the last three of its answers do not foretell the next; **make a new one for each run**.

    The estimate is carried on along a straight line in log SNR; by how much that may be off is read off the bend of the
    last three [Liu 2025]. The first and the last of the run's ``levels`` are always asked about, and so is a level that is no
    lower than the last. ``changes`` are the sigmas at which what is asked changes: nothing is carried across them. What is
    foretold is the guided estimate, so that prompt and negative prompt go together; each image of a batch is on its own.
    """
    if not reuse.threshold > 0.0:
        return denoise
    runs: dict[int, _Run] = {}

    def of_image(number: int, x: Latent, level: Level) -> Asking[Estimate]:
        run = runs.setdefault(number, _Run(denoise, reuse, levels, changes))
        return run.estimate(x, level)

    def denoise_or_foretell(x: Latent, level: Level) -> Asking[Estimate]:
        if x.shape[0] == 1:
            return (yield from of_image(0, x, level))
        found = yield from together([of_image(i, x[i : i + 1, ...], level) for i in range(x.shape[0])])
        return mixed(found, lambda images: array_namespace(x).concat(images, axis=0))

    return denoise_or_foretell


class _Run:
    """The evaluations of one image that the next may be foretold from."""

    def __init__(self, denoise: Denoiser, reuse: Reuse, levels: Sequence[Level], changes: Sequence[float]) -> None:
        self._denoise, self._reuse, self._levels, self._changes = denoise, reuse, levels, tuple(changes)
        self._known: list[_Known] = []
        self._asks = -1

    def estimate(self, x: Latent, level: Level) -> Asking[Estimate]:
        """The estimate at a level: foretold, or asked for and remembered."""
        here, asks = log_snr(level), sum(level.sigma > change for change in self._changes)
        if asks != self._asks:
            self._known, self._asks = [], asks
        # A level that was asked about already, or one above it, is asked about anew: x is another.
        self._known = [known for known in self._known if known.log_snr < here]
        foretold = self._foretold(level, here)
        if foretold is not None:
            return foretold
        estimate = yield from self._denoise(x, level)
        if math.isfinite(here):
            self._known = [*self._known, _Known(here, estimate)][-KNOWN:]
        return estimate

    def _foretold(self, level: Level, here: float) -> Estimate | None:
        """The estimate on the line through the last two, or None where it must be asked for."""
        if len(self._known) < KNOWN or not self._may(level):
            return None
        oldest, older, last = self._known
        bend = (_slope(older, last) - _slope(oldest, older)) * (1.0 / (last.log_snr - oldest.log_snr))
        off = _size(bend) * (here - last.log_snr) * (here - older.log_snr)
        if not off < self._reuse.threshold * _size(last.estimate.clean):
            return None
        share = (here - last.log_snr) / (last.log_snr - older.log_snr)
        return mixed([last.estimate, older.estimate], lambda pair: pair[0] + share * (pair[0] - pair[1]))

    def _may(self, level: Level) -> bool:
        """Whether a level lies within the steps that may be foretold."""
        steps = len(self._levels) - 1
        step = step_of(self._levels, level.sigma)
        return 0 < step < steps - 1 and self._reuse.start * steps <= step < self._reuse.end * steps


def _slope(before: _Known, after: _Known) -> Any:
    return (after.estimate.clean - before.estimate.clean) * (1.0 / (after.log_snr - before.log_snr))


def _size(x: Latent) -> float:
    xp = array_namespace(x)
    return float(xp.mean(xp.abs(x)))
