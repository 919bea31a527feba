"""DPM-Solver in the predicted noise over a whole run: fast (a fixed number of calls) and adaptive (a tolerance)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from array_api_compat import array_namespace

from aldente.engine.denoise import Asking, Denoiser, Latent, together
from aldente.engine.errors import UserError
from aldente.engine.levels import Level, log_snr, with_log_snr, with_sigma
from aldente.engine.trajectory import Move, StepNoise
from aldente.engine.transfer import posterior, transfer

NEARLY_ONE = 0.98
"""Where a whole-run sampler starts on flow levels: log SNR is not finite at sigma 1, so one Euler step leads here.

Nearer to 1 that step would err less (here by some 0.002), but those in log SNR would have much further to go.
"""

END_TOLERANCE = 1e-5
"""The adaptive run is at its end when this little log SNR is left."""


ACCEPTED = 0.81
"""An adaptive step whose successor would be narrower than by this factor is made again."""

SMALLEST_ERROR = 1e-8
"""Added to the error of an adaptive step, so that a step without any does not ask for an infinite one."""


class Start(NamedTuple):
    """A latent, its level and the noise predicted there."""

    x: Latent
    level: Level
    predicted: Latent


def _predict(denoise: Denoiser, x: Latent, level: Level) -> Asking[Latent]:
    clean, _ = yield from denoise(x, level)
    return (x - level.alpha * clean) * (1.0 / level.sigma)


def _first(start: Start, target: Level) -> Latent:
    """The step of order one [Lu 2022, Eq. 3.7]."""
    width = log_snr(target) - log_snr(start.level)
    return (target.alpha / start.level.alpha) * start.x - (target.sigma * math.expm1(width)) * start.predicted


def _between(start: Start, target: Level, share: float) -> Level:
    """The level that lies ``share`` of the way to ``target`` in log SNR."""
    here = log_snr(start.level)
    return with_log_snr(start.level, here + share * (log_snr(target) - here))


def _second(start: Start, target: Level, share: float, probed: Latent) -> Latent:
    """The step of order two, by the noise ``probed`` a ``share`` of the way [Lu 2022, Alg. 1]."""
    width = log_snr(target) - log_snr(start.level)
    return _first(start, target) - (target.sigma / (2.0 * share) * math.expm1(width)) * (probed - start.predicted)


def _third(denoise: Denoiser, start: Start, target: Level, probed: Latent) -> Asking[Latent]:
    """The step of order three, by the noise ``probed`` a third of the way and one more evaluation [Lu 2022, Alg. 2]."""
    width = log_snr(target) - log_snr(start.level)
    level = _between(start, target, 2.0 / 3.0)
    bend = math.expm1(2.0 / 3.0 * width) / (2.0 / 3.0 * width) - 1.0
    there = _first(start, level) - (2.0 * level.sigma * bend) * (probed - start.predicted)
    later = yield from _predict(denoise, there, level)
    bend = math.expm1(width) / width - 1.0
    return _first(start, target) - (1.5 * target.sigma * bend) * (later - start.predicted)


def _probe_at(denoise: Denoiser, start: Start, target: Level, share: float) -> Asking[Latent]:
    level = _between(start, target, share)
    return (yield from _predict(denoise, _first(start, level), level))


def _descent(level: Level, target: Level, end: Level, eta: float) -> tuple[Level, float]:
    """Where a stochastic step goes down to, not below ``end``, and the sigma of the noise that leads back up."""
    down = posterior(level, target, eta).down
    lowest = target.alpha * end.sigma / end.alpha
    sigma = max(down.sigma, lowest)
    return Level(target.alpha, sigma), math.sqrt(max(0.0, target.sigma**2 - sigma**2)) if eta else 0.0


def off_the_edge(denoise: Denoiser, x: Latent, move: Move, sigma: float) -> Asking[tuple[Latent, Move]]:
    """From the first flow level, where log SNR is not finite, by one Euler step to ``sigma``, but not past the target."""
    if move.level.alpha > 0.0:
        return x, move
    near = with_sigma(move.level, max(sigma, move.target.sigma))
    clean, _ = yield from denoise(x, move.level)
    return transfer(x, move.level, near, clean), move._replace(level=near)


@dataclass(frozen=True, kw_only=True)
class DPMFast:
    """A whole run in ``calls`` evaluations: steps of order three, equal in log SNR, the last of less [Lu 2022].

    The last step decides the order for many calls: it is 3 if ``calls`` leaves 2 when divided by 3; otherwise the last
    step is of order one and the whole of order two.
    """

    calls: int = 20
    eta: float = 0.0
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise UserError(f"sampler 'dpm_fast': {self.calls} calls are not possible; it needs at least 1.")

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """``calls`` evaluations on levels of its own between the two of ``move``; nothing is remembered."""
        calls = self.calls - 1 if move.level.alpha == 0.0 else self.calls
        x, move = yield from off_the_edge(denoise, x, move, NEARLY_ONE if calls else move.target.sigma)
        level, begin, end = move.level, log_snr(move.level), log_snr(move.target)
        orders = _orders(calls) if begin < end else []
        for index, order in enumerate(orders, start=1):
            target = move.target if index == len(orders) else with_log_snr(level, begin + (end - begin) * index / len(orders))
            down, up = _descent(level, target, move.target, self.eta)
            start = Start(x, level, (yield from _predict(denoise, x, level)))
            x = yield from _single(denoise, start, down, order)
            if up * self.s_noise:
                x = x + (up * self.s_noise) * noise(level.sigma, target.sigma)
            level = target
        return x, None


def _orders(calls: int) -> list[int]:
    """The orders of the steps that spend ``calls`` evaluations."""
    threes, rest = divmod(calls, 3)
    return [3] * threes + [rest] if rest else [3] * (threes - 1) + [2, 1]


def _single(denoise: Denoiser, start: Start, target: Level, order: int) -> Asking[Latent]:
    """One step of order one, two or three."""
    if order == 1:
        return _first(start, target)
    share = 1.0 / order
    probed = yield from _probe_at(denoise, start, target, share)
    if order == 2:
        return _second(start, target, share, probed)
    return (yield from _third(denoise, start, target, probed))


@dataclass(frozen=True, kw_only=True)
class DPMAdaptive:
    """A whole run in steps as wide as the tolerances allow [Lu 2022, App. C; Crowson 2022].

    ``order`` 3 compares steps of orders two and three, 2 those of one and two. Each image of a batch finds its own steps.
    """

    order: int = 3
    rtol: float = 0.05
    atol: float = 0.0078
    h_init: float = 0.05
    eta: float = 0.0
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        if self.order not in {2, 3}:
            raise UserError(f"sampler 'dpm_adaptive': order {self.order} is not possible; choose 2 or 3.")
        if not (self.rtol > 0.0 and self.atol > 0.0 and self.h_init > 0.0):
            raise UserError("sampler 'dpm_adaptive': rtol, atol and h_init must be greater than 0.")

    def step(self, denoise: Denoiser, x: Latent, move: Move, memory: None, noise: StepNoise) -> Asking[tuple[Latent, None]]:
        """As many evaluations as it takes, on levels of its own; nothing is remembered."""
        if x.shape[0] == 1:
            return (yield from self._integrate(denoise, x, move, noise)), None

        def own(index: int) -> StepNoise:
            return lambda sigma, sigma_next: noise(sigma, sigma_next)[index : index + 1, ...]

        runs = [self._integrate(denoise, x[i : i + 1, ...], move, own(i)) for i in range(x.shape[0])]
        images = yield from together(runs)
        return array_namespace(x).concat(images, axis=0), None

    def _integrate(self, denoise: Denoiser, x: Latent, move: Move, noise: StepNoise) -> Asking[Latent]:
        x, move = yield from off_the_edge(denoise, x, move, NEARLY_ONE)
        level, end, width = move.level, log_snr(move.target), self.h_init
        lower, predicted = x, None
        while log_snr(level) < end - END_TOLERANCE:
            if predicted is None:
                predicted = yield from _predict(denoise, x, level)
            reach = log_snr(level) + width
            target = move.target if reach >= end else with_log_snr(level, reach)
            down, up = _descent(level, target, move.target, self.eta)
            low, high = yield from self._pair(denoise, Start(x, level, predicted), down)
            factor = self._factor(low, high, lower)
            width *= factor
            if factor >= ACCEPTED:
                lower, x, predicted = low, high, None
                if up * self.s_noise:
                    x = x + (up * self.s_noise) * noise(level.sigma, target.sigma)
                level = target
        return x

    def _pair(self, denoise: Denoiser, start: Start, target: Level) -> Asking[tuple[Latent, Latent]]:
        """The step in the lower and in the higher order, which share their evaluations."""
        share = 0.5 if self.order == 2 else 1.0 / 3.0
        probed = yield from _probe_at(denoise, start, target, share)
        second = _second(start, target, share, probed)
        if self.order == 2:
            return _first(start, target), second
        return second, (yield from _third(denoise, start, target, probed))

    def _factor(self, low: Latent, high: Latent, before: Latent) -> float:
        """How much wider the next step should be; under ``ACCEPTED`` this one was too wide."""
        xp = array_namespace(low)
        size = self.rtol * xp.maximum(xp.abs(low), xp.abs(before))
        excess = (low - high) / xp.maximum(size, xp.full_like(size, self.atol))
        error = math.sqrt(float(xp.mean(excess * excess)))
        order = 1.5 if self.eta else self.order
        return 1.0 + math.atan((error + SMALLEST_ERROR) ** (-1.0 / order) - 1.0)
