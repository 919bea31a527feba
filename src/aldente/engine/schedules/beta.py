"""Schedules spaced by the quantiles of a Beta distribution: dense at both ends [Lee 2024]."""

from __future__ import annotations

from aldente.engine.errors import UserError
from aldente.engine.schedules.span import Sigmas, Span, counted, ramp


def beta(span: Span, steps: int, *, alpha: float = 0.6, beta: float = 0.6) -> Sigmas:
    """Quantiles laid on the timesteps and rounded to whole ones, as in ComfyUI.

    ComfyUI drops a timestep that rounding repeats and so runs fewer steps; here the timesteps then stay fractional.
    """
    reach = span.first - span.last
    back = [reach * (1.0 - _quantile(1.0 - i / steps, alpha, beta)) for i in range(steps)]
    whole = [round(t) for t in back]
    return counted(span, [span.first - t for t in (whole if len(set(whole)) == steps else back)])


def beta_sigma(span: Span, steps: int, *, alpha: float = 0.6, beta: float = 0.6) -> Sigmas:
    """Quantiles laid on sigma itself, both ends included, as in A1111 and diffusers."""
    shares = [_quantile(p, alpha, beta) for p in ramp(1.0, 0.0, steps)]
    return (*(share * span.sigma_max + (1.0 - share) * span.sigma_min for share in shares), 0.0)


def _quantile(probability: float, alpha: float, beta: float) -> float:
    if not (alpha > 0.0 and beta > 0.0):
        raise UserError(f"a beta schedule needs alpha and beta above 0; got {alpha:g} and {beta:g}.")
    from scipy.special import betaincinv  # noqa: PLC0415 - costs more to load than all other schedules together

    return float(betaincinv(alpha, beta, probability))
