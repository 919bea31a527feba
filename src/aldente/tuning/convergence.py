"""How loss falls with steps: the power law, its limit, and the plateau with its confidence."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from aldente.quality.bounds import Bounds
from aldente.tuning.result import Interval, PowerLaw, Rung

STEEPEST, FLATTEST = -8.0, -0.05
MOST_CORRECTION = 20.0


def fit_power_law(steps: Sequence[int], losses: Sequence[float], *, reference_steps: int | None = None) -> PowerLaw | None:
    """The law d(N) = a (N^b - R^b) of distances to a reference of R steps; R None is the limit itself.

    Fitted to the logarithms, b within -8..-.05. None with fewer than three positive losses at fewer than R steps.
    """
    points = [(n, d) for n, d in zip(steps, losses, strict=True) if d > 0 and (reference_steps is None or n < reference_steps)]
    if len(points) < 3:
        return None
    at = np.array([n for n, _ in points], dtype=np.float64)
    logs = np.log([d for _, d in points])

    def residuals(exponent: float) -> NDArray[np.float64]:
        gap = logs - np.log(_shape(at, exponent, reference_steps))
        centred: NDArray[np.float64] = gap - gap.mean()
        return centred

    found = optimize.minimize_scalar(lambda b: float((residuals(b) ** 2).sum()), bounds=(STEEPEST, FLATTEST), method="bounded")
    exponent = float(found.x)
    scale = math.exp(float((logs - np.log(_shape(at, exponent, reference_steps))).mean()))
    spread = float(((logs - logs.mean()) ** 2).sum())
    explained = 1.0 - float((residuals(exponent) ** 2).sum()) / spread if spread > 0 else 0.0
    return PowerLaw(scale=scale, exponent=exponent, reference_steps=reference_steps, r_squared=explained)


def _shape(steps: NDArray[np.float64], exponent: float, reference_steps: int | None) -> NDArray[np.float64]:
    shape: NDArray[np.float64] = steps**exponent - (0.0 if reference_steps is None else reference_steps**exponent)
    return shape


def predicted(law: PowerLaw, steps: float) -> float:
    """The loss that the law expects at ``steps``, against its own reference."""
    return law.scale * float(_shape(np.array([steps], dtype=np.float64), law.exponent, law.reference_steps)[0])


def trusted(law: PowerLaw | None, *, stochastic: bool, reference_steps: int) -> PowerLaw:
    """The law by which distances to a sampler's own reference of so many steps are corrected.

    Without a fitted ``law`` first order is assumed, half for ``stochastic`` samplers; likewise where the fit is flatter than
    that, for then some picture has changed sides on the way, which is no slow convergence and would be multiplied.
    """
    slowest = -0.5 if stochastic else -1.0
    exponent = slowest if law is None else min(law.exponent, slowest)
    return PowerLaw(scale=1.0, exponent=exponent, reference_steps=reference_steps, r_squared=0.0)


def correction(law: PowerLaw, steps: int) -> float:
    """The factor from a distance to the reference to the distance to the limit: N^b / (N^b - R^b), at most 20.

    Without it a slowly converging sampler would look converged merely because it is near its own slow reference.
    """
    if law.reference_steps is None:
        return 1.0
    left = 1.0 - math.exp(law.exponent * math.log(law.reference_steps / steps))
    return min(MOST_CORRECTION, 1.0 / left) if left > 0 else MOST_CORRECTION


def limit_from_doubling(distance: float, exponent: float) -> float:
    """The distance d(N, infinity) to the limit that a distance d(N, 2N) between N and 2N steps means under the law."""
    return distance / (1.0 - math.exp2(exponent))


def interval(bounds: Bounds, alpha: float, *, factor: float = 1.0) -> Interval:
    """Bounds as a value, all three numbers times ``factor``."""
    low, high = (None if edge is None else edge * factor for edge in (bounds.low, bounds.high))
    return Interval(mean=bounds.mean * factor, low=low, high=high, alpha=alpha, prompts=bounds.clusters, method=bounds.method)


def plateau(rungs: Sequence[Rung], delta: float) -> int | None:
    """The smallest step count whose loss, like that of every larger one on the ladder, is at most ``delta`` with confidence.

    The rungs are tested from the top down and testing stops at the first failure: hypotheses in a fixed order may each be
    tested at the full alpha and the probability of any false one among them is still alpha [Maurer 1995]. So a rung's bound
    needs no correction for the number of rungs; the number of curves that compete is corrected for by the caller's alpha.
    A rung without a bound (one prompt with one seed) is judged by its mean, which proves nothing.
    """
    smallest: int | None = None
    for rung in sorted(rungs, key=lambda rung: -rung.steps):
        if (rung.loss.mean if rung.loss.high is None else rung.loss.high) > delta:
            break
        smallest = rung.steps
    return smallest


def usable_for_law(rungs: Sequence[tuple[int, float]], floor: float, *, most: int = 5) -> tuple[list[int], list[float]]:
    """The upper rungs whose mean loss stands clear of the floor: where the law holds and is not drowned in rounding."""
    clear = [(steps, loss) for steps, loss in sorted(rungs) if loss > 2 * floor]
    kept = clear[-most:]
    return [steps for steps, _ in kept], [loss for _, loss in kept]


def prompts_of(instances: Sequence[tuple[str, int]]) -> list[Hashable]:
    """The cluster of each (prompt, seed): its prompt, or its seed when there is only one prompt."""
    prompts = {prompt for prompt, _ in instances}
    return [prompt if len(prompts) > 1 else seed for prompt, seed in instances]
