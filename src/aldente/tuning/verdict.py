"""What a study has to say, in sentences with numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aldente.tuning.convergence import limit_from_doubling
from aldente.tuning.decision import curve_of, rung_at
from aldente.tuning.result import Choice, Confirmation, Curve, GuidanceRange, Interval, PowerLaw, Proof, Rung, Tolerance
from aldente.tuning.samples import upper
from aldente.tuning.study import Study

RARE = 0.1
"""The share of a kind of prompt by which it is shown what a few prompts can miss."""


def reasons(choice: Choice, curves: Sequence[Curve], tolerance: Tolerance) -> tuple[str, ...]:
    """Why this choice: the verdict, why not more steps, why not fewer, and why not another sampler."""
    curve = curve_of(choice, curves)
    rung = rung_at(curve, choice.steps)
    said = [_verdict(choice, rung, tolerance), _why_not_more(curve, rung, tolerance)]
    fewer = [r for r in curve.rungs if r.steps < rung.steps]
    if fewer and choice.within_tolerance:
        said.append(_why_not_fewer(fewer[-1], tolerance))
    for other in curves:
        if other is not curve:
            said.append(other.sentence if other.plateau is None else _dearer(other, rung))
    return tuple(said)


def _verdict(choice: Choice, rung: Rung, tolerance: Tolerance) -> str:
    cost = f"{choice.calls:.0f} model calls" + ("" if choice.seconds is None else f", {choice.seconds:.2f} s")
    setting = f"{choice.title}, {choice.steps} steps ({cost} a picture)"
    if choice.within_tolerance:
        return f"{setting}: {upper(rung)} JND, within the tolerance of {tolerance.delta:.2g} for {tolerance.goal}."
    return (
        f"No setting is surely within the tolerance of {tolerance.delta:.2g} JND for {tolerance.goal}; the nearest is "
        f"{setting}: {upper(rung)} JND."
    )


def _why_not_more(curve: Curve, rung: Rung, tolerance: Tolerance) -> str:
    """What twice the steps would change and cost; near the top of the ladder, what any number of steps could."""
    later = [r for r in curve.rungs if r.steps > rung.steps][:2]
    if len(later) < 2 or rung.moved is None:
        limit = "own limit" if curve.own_reference else "converged picture"
        return f"More than {rung.steps} steps can only bring the rest of the way to the {limit}: {upper(rung)} JND."
    dearer, moved = later[1], rung.moved
    doubt = "" if moved.low is None or moved.high is None else f" [{moved.low:.2g} to {moved.high:.2g}]"
    beyond = "within the tolerance" if moved.mean <= tolerance.delta else "noticeable"
    verdict = "not noticeable" if moved.mean <= 1.0 else beyond
    rest = "" if curve.law is None else f"; all further steps together by about {_rest(curve.law, moved):.2g}"
    return (
        f"{rung.steps} -> {dearer.steps} steps costs {dearer.calls / rung.calls:.1f} x as much and moves the picture by "
        f"{moved.mean:.2g} JND{doubt}: {verdict}{rest}."
    )


def _why_not_fewer(rung: Rung, tolerance: Tolerance) -> str:
    """What is wrong with the rung below: too great a loss, surely or on average, or only a doubt."""
    loss, delta = rung.loss, f"the tolerance of {tolerance.delta:.2g}"
    if loss.low is not None and loss.low > tolerance.delta:
        return f"{rung.steps} steps are too few: a loss of {loss.mean:.2g}, surely {loss.low:.2g} JND or more, above {delta}."
    if loss.mean > tolerance.delta:
        return f"{rung.steps} steps are too few: {upper(rung)} JND, above {delta}."
    return f"{rung.steps} steps may do but it is not sure: {upper(rung)} JND, where {delta} is allowed."


def _rest(law: PowerLaw, moved: Interval) -> float:
    """How far the limit is, by the law, when doubling the steps moves the picture so much."""
    return limit_from_doubling(moved.mean, law.exponent)


def _dearer(other: Curve, chosen: Rung) -> str:
    rung = rung_at(other, other.plateau)
    if math.isclose(rung.calls, chosen.calls):
        return f"{other.title} gets there at the same price ({rung.steps} steps), with {upper(rung)} JND."
    return f"{other.title} gets there at {rung.steps} steps, which cost {rung.calls / chosen.calls:.1f} x as much."


def on_cfg(choice: Choice, wanted: float, found: GuidanceRange | None) -> list[str]:
    """What limits CFG, and where that moved the wanted scale."""
    if found is None:
        return []
    moved = "" if choice.cfg == wanted else f" CFG {wanted:g} was asked for; {choice.cfg:g} is the nearest within the range."
    return [found.sentence + moved]


def on_checks(checks: Sequence[Confirmation]) -> list[str]:
    """What the held-out pictures say."""
    words = {
        "confirmed": "surely within tolerance there too",
        "consistent": "within tolerance on average, too few pictures to be sure",
        "contradicted": "not within tolerance there",
    }
    return [
        f"On {check.on} {check.steps} steps lose {check.loss.mean:.2g} JND"
        + ("" if check.loss.high is None else f" (at most {check.loss.high:.2g})")
        + f": {words[check.verdict]}."
        for check in checks
    ]


def confidence(study: Study, curves: Sequence[Curve]) -> str:
    """How sure the plateaus are, for which prompts, and by which method."""
    loss = curves[0].rungs[0].loss
    if loss.method == "none":
        return "No confidence can be given: one prompt with one seed was studied, and the means were taken at their word."
    unit = "prompts" if len(set(study.prompts)) > 1 else "seeds"
    crowd = (
        f"for prompts like these {loss.prompts}"
        if unit == "prompts"
        else f"for other seeds of this prompt than these {loss.prompts}"
    )
    how = "log-normal or skew-corrected, whichever is wider" if loss.method == "log-normal" else "skew-corrected"
    unseen = (1.0 - RARE) ** loss.prompts
    return (
        f"The probability that any plateau is claimed too early is about {study.alpha:.0%} or less {crowd} "
        f"(bounds of the mean over {unit}, {how}; each of {len(curves)} curves at {loss.alpha:.1%}, its rungs tested from the "
        f"top down). That cannot cover what none of them shows: a hard kind that is one in ten of what you draw is missing "
        f"among {loss.prompts} in {unseen:.0%} of cases. A guaranteed study covers that as well."
    )


def guarantee(study: Study, tolerance: Tolerance, proof: Proof) -> str:
    """What a guaranteed study promises, on what it rests, and how it ended."""
    ended = {
        "decided": f"stopped as soon as the choice was sure, after {proof.drawn}",
        "out of prompts": f"ended undecided in part with the last of {proof.drawn}",
        "out of budget": f"ended undecided in part with the budget, after {proof.drawn}",
    }
    crowd = "prompts like these" if proof.unit == "prompts" else "seeds of this prompt"
    each = "each the mean over its seeds" if proof.unit == "prompts" and len(study.seeds) > 1 else "one number each"
    bound, delta = f"{proof.bound:.2g}", f"{tolerance.delta:.2g}"
    return (
        f"Guaranteed: the probability that any verdict on steps is wrong is at most {study.alpha:.0%} for {crowd}, whenever "
        f"the study ended (betting confidence sequence; {ended[proof.stopped]} {proof.unit}, {each}; {proof.pilot} others "
        f"had set the tolerance). No {proof.unit[:-1]} counts as more than {bound} JND ({proof.clipped:.1%} were above). "
        f"Within {delta} on average also means that at most {tolerance.delta / proof.bound:.0%} of them lose more than {bound}."
    )


def on_rivals(proof: Proof) -> list[str]:
    """How the likely choice does beside the other samplers at no greater price."""
    words = {
        "better": "is surely nearer to its converged picture than",
        "worse": "is surely farther from its converged picture than",
        "practically equivalent": "is practically equivalent to",
        "continue": "is not told from (more prompts could)",
        "inconclusive": "could not be told from",
    }
    return [
        f"{pair.first}, {words[pair.verdict]} {pair.second}: a difference of {pair.difference.mean:.2g} JND"
        + f" [{pair.difference.low:.2g} to {pair.difference.high:.2g}], {pair.difference.prompts} {proof.unit}."
        for pair in proof.rivalries
    ]
