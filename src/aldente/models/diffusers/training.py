"""The noise on which a network was trained: its levels, what it answers, and how an answer becomes an estimate of x0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.schedules.flow import shift
from aldente.engine.schedules.span import Span, scaled_linear_betas, training_sigmas

Prediction = Literal["eps", "v", "x0", "flow"]

STEPS = 1000

PREDICTIONS: Mapping[str, Prediction] = {
    "epsilon": "eps",
    "v_prediction": "v",
    "sample": "x0",
    "flow_prediction": "flow",
}
"""What diffusers calls them."""

LEAST_KEPT = 2.0**-24
"""How much of the picture is taken to be left at the last level of a zero-SNR model, of which nothing is: sigma 4096.

An exploding level cannot be infinite. diffusers' Euler takes the same number; its DDIM, which counts in preserving levels,
takes the zero itself, which at this distance is the same picture to four digits.
"""


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training levels, ascending, of a network that answers ``prediction``.

    Sigmas are exploding (sigma / alpha) for ``eps``, ``v`` and ``x0``, and those of the flow for ``flow``, shifted already.
    """

    prediction: Prediction
    sigmas: tuple[float, ...]
    shift: float = 1.0
    dynamic: bool = False

    @property
    def family(self) -> Literal["exploding", "flow"]:
        """Which levels the model runs along."""
        return "flow" if self.prediction == "flow" else "exploding"

    @cached_property
    def _span(self) -> Span:
        return Span(sigma_min=self.sigmas[0], sigma_max=self.sigmas[-1], sigmas=self.sigmas)

    def timestep(self, level: Level) -> float:
        """The timestep that the network is told for a level: fractional between training levels, as in k-diffusion and A1111.

        Rectified flow counts its noise in thousandths.
        """
        if self.prediction == "flow":
            return STEPS * level.sigma / (level.alpha + level.sigma)
        ratio = level.sigma / level.alpha
        return min(max(self._span.timestep(ratio), 0.0), len(self.sigmas) - 1.0) if ratio > 0.0 else 0.0

    def scale(self, level: Level) -> float:
        """What a latent at a level is multiplied by to be what the network was trained to see."""
        return 1.0 / (level.alpha + level.sigma if self.prediction == "flow" else math.hypot(level.alpha, level.sigma))

    def estimate(self, level: Level) -> tuple[float, float]:
        """``(a, b)`` such that a x + b answer is the estimate of x0 at a level [Salimans 2022, App. D; Esser 2024, Eq. 13].

        Here x is the latent as the sampler holds it.
        """
        alpha, sigma = level
        if self.prediction == "x0":
            return 0.0, 1.0
        if self.prediction == "eps":
            return 1.0 / alpha, -sigma / alpha
        if self.prediction == "flow":
            whole = alpha + sigma
            return 1.0 / whole, -sigma / whole
        whole = math.hypot(alpha, sigma)
        return alpha / whole**2, -sigma / whole


def training_of(scheduler: Mapping[str, Any], *, zero_snr: bool = False) -> Training:
    """The training that a scheduler's configuration tells of; ``zero_snr`` where the configuration need not know of it.

    Raises UserError where the configuration names what aldente does not know.
    """
    told = str(scheduler.get("prediction_type", "epsilon"))
    known = "flow" if "shift" in scheduler and "beta_start" not in scheduler else PREDICTIONS.get(told)
    if known is None:
        raise UserError(f"the scheduler predicts '{told}', which is not known; known: {', '.join(PREDICTIONS)}.")
    if known == "flow":
        return _flow(scheduler)
    sigmas = training_sigmas(_betas(scheduler))
    if zero_snr or scheduler.get("rescale_betas_zero_snr", False):
        sigmas = _without_signal(sigmas)
    return Training(prediction=known, sigmas=sigmas)


def _flow(scheduler: Mapping[str, Any]) -> Training:
    dynamic = bool(scheduler.get("use_dynamic_shifting", False))
    # What a model that shifts by size is shifted by at its own: the largest.
    factor = math.exp(float(scheduler.get("max_shift", 1.15))) if dynamic else float(scheduler.get("shift", 1.0))
    steps = int(scheduler.get("num_train_timesteps", STEPS))
    even = ((index + 1) / steps for index in range(steps))
    return Training(prediction="flow", sigmas=shift(even, factor), shift=factor, dynamic=dynamic)


def _betas(scheduler: Mapping[str, Any]) -> Sequence[float]:
    trained = scheduler.get("trained_betas")
    if trained is not None:
        return [float(beta) for beta in trained]
    count = int(scheduler.get("num_train_timesteps", STEPS))
    first, last = float(scheduler.get("beta_start", 0.00085)), float(scheduler.get("beta_end", 0.012))
    form = scheduler.get("beta_schedule", "scaled_linear")
    if form == "scaled_linear":
        return scaled_linear_betas(first, last, count)
    if form == "linear":
        return [first + (last - first) * index / (count - 1) for index in range(count)]
    if form == "squaredcos_cap_v2":
        return [min(1.0 - _cosine((index + 1) / count) / _cosine(index / count), 0.999) for index in range(count)]
    raise UserError(f"the scheduler's beta_schedule '{form}' is not known; known: scaled_linear, linear, squaredcos_cap_v2.")


def _cosine(share: float) -> float:
    """How much of the picture's variance is left at a share of the levels [Nichol 2021, Eq. 17]."""
    return math.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2


def _without_signal(sigmas: Sequence[float]) -> tuple[float, ...]:
    """The levels stretched so that nothing of the picture is left at the last [Lin 2023, Alg. 1]."""
    kept = [1.0 / math.hypot(1.0, sigma) for sigma in sigmas]
    first, last = kept[0], kept[-1]
    stretched = [(part - last) * first / (first - last) for part in kept]
    squares = [max(part**2, LEAST_KEPT) for part in stretched]
    return tuple(math.sqrt((1.0 - square) / square) for square in squares)
