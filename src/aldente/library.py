"""The engine as a library: any callable, any array library, no model and no store.

The names are those that an engineer coming from k-diffusion expects; ``import aldente`` offers them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Asking, Estimate, Latent, Query, answer
from aldente.engine.errors import UserError
from aldente.engine.levels import Level, exploding_levels
from aldente.engine.names import split_name
from aldente.engine.noise import brownian, independent
from aldente.engine.samplers import SamplerInfo, find_sampler, prepare, samplers
from aldente.engine.schedules.span import STABLE_DIFFUSION, Span
from aldente.engine.schedules.table import ScheduleInfo, build_schedule, schedules
from aldente.engine.trajectory import StepNoise, trajectory

__all__ = ["SamplerInfo", "ScheduleInfo", "UserError", "sample", "samplers", "schedule", "schedules"]


def schedule(
    name: str,
    steps: int,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    training_sigmas: Sequence[float] | None = None,
    **options: Any,
) -> NDArray[np.float64]:
    """The noise levels of a run: ``steps`` + 1 numbers, falling strictly from ``sigma_max`` to 0.

    The ends are those of ``training_sigmas`` (ascending; Stable Diffusion's if not given) unless set. ``options`` are the
    schedule's own, such as ``rho``. Raises UserError (a ValueError) for unknown names, options and ranges.

    >>> schedule("karras", 3, sigma_min=0.1, sigma_max=10.0).round(3).tolist()
    [10.0, 1.451, 0.1, 0.0]
    """
    table = STABLE_DIFFUSION if training_sigmas is None else tuple(float(sigma) for sigma in training_sigmas)
    span = Span(
        sigma_min=table[0] if sigma_min is None else sigma_min,
        sigma_max=table[-1] if sigma_max is None else sigma_max,
        sigmas=table,
    )
    return np.asarray(build_schedule(name, steps, span, options), dtype=np.float64)


def sample(
    denoiser: Callable[[Latent, float], Latent],
    x: Latent,
    sigmas: Sequence[float],
    sampler: str = "dpmpp_2m",
    *,
    step_noise: StepNoise | None = None,
    seed: int | Sequence[int] | None = None,
    **options: Any,
) -> Latent:
    """Carry ``x`` (b ..., any array library, at ``sigmas[0]``) to ``sigmas[-1]`` by ``denoiser(x, sigma) -> denoised``.

    A sampler that adds noise takes it from ``step_noise(sigma, sigma_next)``, unit noise shaped like ``x``, or makes it from
    ``seed``: one number per image, or one from which they count up; an image's noise does not depend on its batch.
    ``options`` are the sampler's own (``eta``, ``s_noise``, ``s_churn``, ``order``, ...). A callable that returns the pair
    (guided, unconditional) serves the CFG++ samplers. Raises UserError (a ValueError) for unknown names and options.

    >>> import numpy as np
    >>> float(sample(lambda x, sigma: x / (1 + sigma**2), np.ones(1), schedule("karras", 20), "heun").round(3)[0])
    0.069
    """
    name, in_name = split_name(sampler)
    if in_name is not None:
        raise UserError(f"sampler '{sampler}' names a schedule too; here that is aldente.schedule('{in_name}', steps).")
    info = find_sampler(name)
    levels = exploding_levels(sigmas)
    if len(levels) < 2 or not all(a.sigma > b.sigma >= 0.0 for a, b in pairwise(levels)):
        raise UserError("the sigmas must fall strictly to a last one of 0 or more; aldente.schedule(name, steps) makes such.")
    # An option that does not exist is told before the seed that it would need.
    info.build(**options)
    step, churn = _noises(info, x, step_noise, seed, options)
    run = prepare(info, levels, churn, options)

    def denoise(latent: Latent, level: Level) -> Asking[Estimate]:
        (clean,) = yield [Query(latent, level, None)]
        return Estimate(*clean) if isinstance(clean, tuple) else Estimate(clean, clean)

    asking = trajectory(run.sampler, denoise, x, run.levels, step, lift=run.lift)
    return answer(asking, lambda query: denoiser(query.x, query.level.sigma))


def _noises(
    info: SamplerInfo, x: Latent, step_noise: StepNoise | None, seed: int | Sequence[int] | None, options: dict[str, Any]
) -> tuple[StepNoise, StepNoise]:
    """The noise of steps and of churn."""
    if step_noise is not None:
        return step_noise, step_noise
    if seed is None:
        if (info.stochastic and options.get("eta") != 0) or options.get("s_churn"):
            raise UserError(f"sampler '{info.name}' adds noise: give seed=, or step_noise= to bring your own.")
        return _none, _none
    seeds = [int(seed) + row for row in range(x.shape[0])] if isinstance(seed, int | np.integer) else [int(one) for one in seed]
    if len(seeds) != x.shape[0]:
        raise UserError(f"{len(seeds)} seeds for {x.shape[0]} images; give one for each.")
    for one in seeds:
        if not 0 <= one < 2**64:
            raise UserError(f"seed {one} is out of range; a seed is a whole number from 0 to 2**64 - 1.")
    return brownian(seeds, x), independent(seeds, x, purpose="churn")


def _none(sigma: float, sigma_next: float) -> Latent:
    raise UserError(f"the step from sigma {sigma:g} to {sigma_next:g} adds noise: give seed= or step_noise=.")
