"""The choice: the cheapest configuration that is surely within tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aldente.tuning.result import Choice, Confirmation, Curve, FrontPoint, Goal, GuidanceRange, Rung, Tolerance

MULTIPLES: dict[Goal, float] = {"draft": 4.0, "production": 1.0, "final": 0.5}
"""The tolerated mean loss in just noticeable differences.

A draft may differ visibly from the converged picture while it shows the same thing in the same place (on pastina 4 JND are
SSIM .97 and a composition shift of .07). Production may not differ noticeably on average. Final keeps half of that in reserve,
for prompts that converge more slowly than the average.
"""


def tolerance(goal: Goal, *, jnd: float, floor: float | None) -> Tolerance:
    """The tolerance of a goal; never below twice the floor, where references themselves disagree.

    ``jnd`` is in 8-bit steps, ``floor`` in JND.
    """
    wanted = MULTIPLES[goal]
    least = 0.0 if floor is None else 2.0 * floor
    reason = f"{goal}: {wanted:g} JND, where 1 JND = {jnd:.2f} steps of 255 (converged picture against its JPEG at quality 95)"
    if floor is not None:
        reason += f"; independent references agree to {floor:.2g} JND"
    if least > wanted:
        reason += f", so no tighter than {least:.2g} JND can be judged"
    return Tolerance(goal=goal, jnd=jnd, floor=floor, delta=max(wanted, least), raised=least > wanted, reason=reason)


def choose(curves: Sequence[Curve], *, cfg: float) -> Choice:
    """The cheapest plateau, of equals the one of less loss; without any, the least mean loss, marked as not within.

    The mean, because where no plateau is sure the bounds may be too wide to tell any setting from another.
    """
    plateaus = [(curve, rung_at(curve, curve.plateau)) for curve in curves if curve.plateau is not None]
    if plateaus:
        curve, rung = min(plateaus, key=lambda found: (found[1].calls, found[1].loss.mean))
        return choice_of(curve, rung, cfg=cfg, within=True)
    every = [(curve, rung) for curve in curves for rung in curve.rungs]
    curve, rung = min(every, key=lambda found: (found[1].loss.mean, found[1].calls))
    return choice_of(curve, rung, cfg=cfg, within=False)


def choice_of(curve: Curve, rung: Rung, *, cfg: float, within: bool) -> Choice:
    """A rung of a curve as the choice."""
    return Choice(
        sampler=curve.sampler,
        schedule=curve.schedule,
        title=curve.title,
        steps=rung.steps,
        cfg=cfg,
        calls=rung.calls,
        seconds=rung.seconds,
        loss=rung.loss,
        within_tolerance=within,
    )


def next_rung(curve: Curve, steps: int) -> Rung | None:
    """The rung above, if the ladder has one."""
    return next((rung for rung in curve.rungs if rung.steps > steps), None)


def clamped(cfg: float, found: GuidanceRange) -> float:
    """The CFG scale within the range that is nearest to the wanted one."""
    return min(max(cfg, found.low), found.high)


def front(curves: Sequence[Curve]) -> tuple[FrontPoint, ...]:
    """The configurations that no other beats in both model calls and mean loss, cheapest first.

    The knee is the point farthest below the chord of the front in logarithms: a place to look at, without confidence.
    """
    every = [(rung.calls, rung.loss.mean, curve, rung) for curve in curves for rung in curve.rungs]
    kept: list[tuple[float, float, Curve, Rung]] = []
    for point in sorted(every, key=lambda p: (p[0], p[1])):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    bend = _knee([(calls, loss) for calls, loss, _, _ in kept])
    return tuple(
        FrontPoint(sampler=c.sampler, schedule=c.schedule, steps=r.steps, calls=calls, loss=loss, knee=i == bend)
        for i, (calls, loss, c, r) in enumerate(kept)
    )


def _knee(points: Sequence[tuple[float, float]]) -> int | None:
    if len(points) < 3:
        return None
    logs = [(math.log(calls), math.log(max(loss, 1e-6))) for calls, loss in points]
    (left, top), (right, bottom) = logs[0], logs[-1]
    below = [top + (bottom - top) * (x - left) / (right - left) - y for x, y in logs]
    deepest = max(range(len(points)), key=lambda i: below[i])
    return deepest if below[deepest] > 0 else None


def rung_at(curve: Curve, steps: int | None) -> Rung:
    """The rung of a curve at a step count that it has."""
    return next(rung for rung in curve.rungs if rung.steps == steps)


def curve_of(choice: Choice, curves: Sequence[Curve]) -> Curve:
    """The curve that a choice lies on."""
    return next(curve for curve in curves if (curve.sampler, curve.schedule) == (choice.sampler, choice.schedule))


def revised(choice: Choice, checks: Sequence[Confirmation], curves: Sequence[Curve]) -> tuple[Choice, list[str]]:
    """One rung more where the held-out pictures contradict the choice but not the rung above."""
    if (
        len(checks) < 2
        or not choice.within_tolerance
        or checks[0].verdict != "contradicted"
        or checks[1].verdict == "contradicted"
    ):
        return choice, []
    chosen = curve_of(choice, curves)
    rung = rung_at(chosen, checks[1].steps)
    said = f"{choice.steps} steps sufficed for the studied pictures but not for the held-out ones, so {rung.steps} were chosen."
    return choice_of(chosen, rung, cfg=choice.cfg, within=True), [said]
