"""What a study's measurements say about settings that somebody means to use, and what they allow within limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from aldente.recipe.value import Value
from aldente.tuning.convergence import plateau
from aldente.tuning.decision import choice_of, choose, curve_of, rung_at, tolerance
from aldente.tuning.result import Choice, Curve, FlawedShare, Goal, GuidanceRange, Rung, TuningResult
from aldente.tuning.samples import upper
from aldente.tuning.study import Pair, calls_of

NEAR = 1.25
"""Up to so many times the plateau counts as the plateau: the ladder has no finer rungs."""

Basis = Literal["measured", "folklore"]
Verdict = Literal["good", "waste", "lacking", "flawed", "dearer", "outside", "unknown"]


class Remark(Value):
    """What is to be said about one setting: the verdict, a sentence, and whether it is measured or folklore.

    ``instead`` is the value to take, where there is a better one.
    """

    parameter: str
    verdict: Verdict
    basis: Basis
    sentence: str
    instead: float | str | None = None


def on_steps(pair: Pair, steps: int, result: TuningResult) -> Remark:
    """What the curve of a sampler says about a number of steps."""
    curve = _curve(pair, result.curves)
    if curve is None:
        tried = ", ".join(other.title for other in result.curves)
        said = f"steps {steps}: the study did not try {pair.title} (it tried {tried}), so its steps cannot be judged."
        return Remark(parameter="steps", verdict="unknown", basis="measured", sentence=said)
    if curve.plateau is None:
        top, delta = curve.rungs[-1], result.tolerance.delta
        beyond = f"; about {loss_at(curve, steps):.2g} at {steps}" if steps != top.steps else ""
        said = f"steps {steps}: {curve.title} is not surely within {delta:.2g} JND up to {top.steps}: {upper(top)}{beyond}."
        instead = result.choice.title
        return Remark(parameter="steps", verdict="lacking", basis="measured", sentence=said, instead=instead)
    least, top = plateau_range(curve, result.tolerance.delta), rung_at(curve, curve.plateau)
    doubt = "" if least is None or least == curve.plateau else f" [{least} to {curve.plateau}]"
    tolerated = f"tolerance {result.tolerance.delta:.2g}"
    proof = f"plateau at {curve.plateau}{doubt}: {upper(top)} JND at CFG {result.choice.cfg:g}, {tolerated}"
    if steps > NEAR * curve.plateau:
        wasted = 1.0 - calls_of(pair, curve.plateau, 1.0) / calls_of(pair, steps, 1.0)
        said = f"steps {steps}: {wasted:.0%} of the time buys nothing measurable ({proof})."
        return Remark(parameter="steps", verdict="waste", basis="measured", sentence=said, instead=curve.plateau)
    if steps < curve.plateau:
        said = f"steps {steps}: about {loss_at(curve, steps):.2g} JND from the converged picture; {proof}."
        return Remark(parameter="steps", verdict="lacking", basis="measured", sentence=said, instead=curve.plateau)
    return Remark(parameter="steps", verdict="good", basis="measured", sentence=f"steps {steps}: right ({proof}).")


def on_sampler(pair: Pair, result: TuningResult) -> Remark | None:
    """How much dearer a sampler is than the chosen one, where both arrive; None where there is nothing to say."""
    curve, choice = _curve(pair, result.curves), result.choice
    if curve is None or curve.plateau is None or (pair.sampler, pair.schedule) == (choice.sampler, choice.schedule):
        return None
    ratio = rung_at(curve, curve.plateau).calls / choice.calls
    if ratio <= 1.05:
        return Remark(parameter="sampler", verdict="good", basis="measured", sentence=f"{curve.title}: as cheap as the best.")
    said = (
        f"{curve.title}: needs {curve.plateau} steps, {ratio:.1f} x the cost of {choice.title} at {choice.steps}"
        f" for the same tolerance."
    )
    return Remark(parameter="sampler", verdict="dearer", basis="measured", sentence=said, instead=choice.title)


def on_cfg(cfg: float, found: GuidanceRange) -> Remark:
    """What the flaws along CFG say about a scale."""
    within = f"no flaws set in from {found.low:g} to {found.high:g}"
    if found.low <= cfg <= found.high:
        return Remark(parameter="cfg", verdict="good", basis="measured", sentence=f"CFG {cfg:g}: {within}.")
    share, instead = _nearest(cfg, found), min(max(cfg, found.low), found.high)
    if share is None:
        said = f"CFG {cfg:g}: outside of what was tried; {within}."
        return Remark(parameter="cfg", verdict="unknown", basis="measured", sentence=said, instead=instead)
    sure = "" if share.share.low is None else f" (surely {share.share.low:.0%})"
    at = "" if share.value == cfg else f" at {share.value:g}, the nearest that was tried,"
    said = (
        f"CFG {cfg:g}:{at} {share.share.mean:.0%}{sure} of the pictures are flawed, mostly {share.worst.title}"
        f" ({share.worst.change.mean:.1f} noticeable changes); {within}."
    )
    return Remark(parameter="cfg", verdict="flawed", basis="measured", sentence=said, instead=instead)


def on_bands(settings: Mapping[str, float], bands: Mapping[str, tuple[float, float]], whom: str) -> list[Remark]:
    """What guides say about numbers, marked as folklore; ``whom`` says what their bands are for ('production')."""
    remarks = []
    for name, value in settings.items():
        if name not in bands:
            continue
        low, high = bands[name]
        where = "within" if low <= value <= high else "above" if value > high else "below"
        said = f"{name} {value:g}: {where} the {low:g} to {high:g} that guides give for {whom} (folklore, not measured here)."
        good = where == "within"
        instead = None if good else min(max(value, low), high)
        remarks.append(
            Remark(parameter=name, verdict="good" if good else "outside", basis="folklore", sentence=said, instead=instead)
        )
    return remarks


def plateau_range(curve: Curve, delta: float) -> int | None:
    """The fewest steps that the plateau may really be at: where the lower bounds of the loss come within tolerance."""
    hopeful = [
        rung.model_copy(
            update={"loss": rung.loss.model_copy(update={"high": rung.loss.mean if rung.loss.low is None else rung.loss.low})}
        )
        for rung in curve.rungs
    ]
    return plateau(hopeful, delta)


def loss_at(curve: Curve, steps: int) -> float:
    """The mean loss at a number of steps, in JND: between rungs, and beyond them, on straight lines in logarithms."""
    points = [(math.log(rung.steps), math.log(max(rung.loss.mean, 1e-6))) for rung in curve.rungs]
    if len(points) < 2:
        return curve.rungs[0].loss.mean
    at = math.log(steps)
    right = next((i for i, (x, _) in enumerate(points) if x >= at), len(points) - 1)
    (x0, y0), (x1, y1) = points[max(right, 1) - 1], points[max(right, 1)]
    return math.exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))


def for_goal(result: TuningResult, goal: Goal) -> TuningResult:
    """What the same curves say for another goal than the study's: its tolerance, plateaus and choice.

    The bounds on losses hold whatever they are compared with.
    """
    if goal == result.goal:
        return result
    limit = tolerance(goal, jnd=result.tolerance.jnd, floor=result.tolerance.floor)
    curves = tuple(curve.model_copy(update={"plateau": plateau(curve.rungs, limit.delta)}) for curve in result.curves)
    choice = choose(curves, cfg=result.choice.cfg)
    return result.model_copy(update={"goal": goal, "tolerance": limit, "curves": curves, "choice": choice})


def best_within(result: TuningResult, calls: float) -> Choice | None:
    """The setting of least mean loss that a picture of so many model calls affords; None if none does."""
    cfg = result.choice.cfg
    affordable = [(curve, rung) for curve in result.curves for rung in curve.rungs if rung.calls <= calls]
    if not affordable:
        return None
    curve, rung = min(affordable, key=lambda found: (found[1].loss.mean, found[1].calls))
    return choice_of(curve, rung, cfg=cfg, within=_upper(rung) <= result.tolerance.delta)


def told(choice: Choice, result: TuningResult) -> str:
    """The choice and what it loses, in words."""
    rung = rung_at(curve_of(choice, result.curves), choice.steps)
    return f"{choice.title}, {choice.steps} steps: {upper(rung)} JND"


def _upper(rung: Rung) -> float:
    return rung.loss.mean if rung.loss.high is None else rung.loss.high


def _curve(pair: Pair, curves: Sequence[Curve]) -> Curve | None:
    return next((curve for curve in curves if (curve.sampler, curve.schedule) == (pair.sampler, pair.schedule)), None)


def _nearest(cfg: float, found: GuidanceRange) -> FlawedShare | None:
    """What was found on the same side of the range, at the scale nearest in ratio."""
    beyond: Iterable[FlawedShare] = (
        share for share in found.shares if (share.value > found.high if cfg > found.high else share.value < found.low)
    )
    return min(beyond, key=lambda share: abs(math.log(max(share.value, 0.1) / max(cfg, 0.1))), default=None)
