"""From pictures to curves: what each configuration lost against the converged pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aldente.quality.bounds import loss_bounds
from aldente.quality.reference import latent_rms, psnr, rmse, ssim
from aldente.tuning.convergence import correction, fit_power_law, interval, plateau, prompts_of, trusted, usable_for_law
from aldente.tuning.result import Curve, Interval, Rung, Tolerance
from aldente.tuning.study import Instance, Outcome, Pair

ROUNDING = 0.6
"""8-bit steps of RMSE under which rounding to 8 bits bends the law: distances of half of that look twice as large."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture of a configuration against its converged one; ``moved`` is its distance to the picture two rungs up.

    Distances of pictures are RMSE in 8-bit steps.
    """

    instance: Instance
    rmse: float
    psnr: float
    ssim: float
    latent_rms: float | None
    moved: float | None
    calls: float


def sample(instance: Instance, made: Outcome, reference: Outcome, later: Outcome | None, *, calls: float) -> Sample:
    """The measured picture."""
    latents = made.latent is not None and reference.latent is not None
    return Sample(
        instance=instance,
        rmse=rmse(made.image, reference.image),
        psnr=psnr(made.image, reference.image),
        ssim=ssim(made.image, reference.image),
        latent_rms=latent_rms(made.latent, reference.latent) if latents else None,  # type: ignore[arg-type]
        moved=None if later is None else rmse(made.image, later.image),
        calls=calls if made.calls is None else made.calls,
    )


Samples = Mapping[int, Sequence[Sample]]
"""The samples of a sampler and schedule by steps."""


def curve(
    pair: Pair,
    samples: Samples,
    tolerance: Tolerance,
    *,
    alpha: float,
    reference: Pair,
    reference_steps: int,
    seconds_per_call: float | None,
) -> Curve:
    """The curve of a pair: its rungs with bounds, its law, and its plateau under the tolerance.

    Losses against a reference of the same sampler and schedule are corrected for what that reference itself lacks.
    """
    means = [(steps, math.fsum(s.rmse for s in some) / len(some) / tolerance.jnd) for steps, some in samples.items() if some]
    own = pair == reference
    steps, losses = usable_for_law(means, max(tolerance.floor or 0.0, ROUNDING / tolerance.jnd))
    law = fit_power_law(steps, losses, reference_steps=reference_steps if own else None)
    hidden = trusted(law, stochastic=pair.own_reference, reference_steps=reference_steps)
    factors = {n: correction(hidden, n) if own else 1.0 for n, _ in means}
    rungs = []
    for n, _ in sorted(means):
        clusters = prompts_of([s.instance for s in samples[n]])
        loss = loss_bounds([s.rmse for s in samples[n]], clusters, alpha=alpha)
        within = interval(loss, alpha, factor=factors[n] / tolerance.jnd)
        rungs.append(rung(n, samples[n], within, tolerance, factors[n], seconds_per_call=seconds_per_call))
    reached = plateau(rungs, tolerance.delta)
    found = Curve(
        sampler=pair.sampler,
        schedule=pair.schedule,
        title=pair.title,
        own_reference=pair.own_reference,
        reference=f"{reference.title}, {reference_steps} steps",
        rungs=tuple(rungs),
        law=law,
        plateau=reached,
        sentence="",
    )
    return found.model_copy(update={"sentence": sentence(found, tolerance.delta)})


def rung(
    steps: int,
    some: Sequence[Sample],
    loss: Interval,
    tolerance: Tolerance,
    factor: float,
    *,
    seconds_per_call: float | None,
) -> Rung:
    """A rung whose loss is known, with the means of everything else that was measured on its samples."""
    clusters = prompts_of([s.instance for s in some])
    moves = [(s.moved, cluster) for s, cluster in zip(some, clusters, strict=True) if s.moved is not None]
    moved = loss_bounds([m for m, _ in moves], [c for _, c in moves], alpha=loss.alpha) if moves else None
    latents = [s.latent_rms for s in some if s.latent_rms is not None]
    calls = math.fsum(s.calls for s in some) / len(some)
    return Rung(
        steps=steps,
        calls=calls,
        seconds=None if seconds_per_call is None else calls * seconds_per_call,
        loss=loss,
        correction=factor,
        moved=None if moved is None else interval(moved, loss.alpha, factor=1.0 / tolerance.jnd),
        psnr=math.fsum(s.psnr for s in some) / len(some),
        ssim=math.fsum(s.ssim for s in some) / len(some),
        latent_rms=math.fsum(latents) / len(latents) if len(latents) == len(some) else None,
        instances=len(some),
    )


def sentence(found: Curve, delta: float) -> str:
    """Where a curve comes within the tolerance, in words."""
    last = found.rungs[-1]
    own = " (against its own converged path of noise)" if found.own_reference else ""
    if found.plateau is None:
        short = "is not surely" if last.loss.mean <= delta else "does not come"
        return f"{found.title} {short} within {delta:.2g} JND up to {last.steps} steps: {upper(last)} there{own}."
    rung = next(rung for rung in found.rungs if rung.steps == found.plateau)
    at = f"{found.plateau} steps ({rung.calls:.0f} model calls)"
    return f"{found.title} is within {delta:.2g} JND from {at} on: {upper(rung)}{own}."


def upper(rung: Rung) -> str:
    """The loss of a rung in words: its mean and, where there is one, its upper bound."""
    bound = "" if rung.loss.high is None else f", at most {rung.loss.high:.2g}"
    return f"a loss of {rung.loss.mean:.2g}{bound}"
