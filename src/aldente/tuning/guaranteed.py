"""The guaranteed mode: prompts are drawn, a few at a time, until what is claimed is sure, whenever that is.

The first prompts set what must not be chosen by looking: the tolerance, the corrections, and which settings are rivals. All
others are evidence, one number a prompt (the mean over its seeds), for bounds that hold at every moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aldente.engine.errors import UserError
from aldente.tuning.asking import Ledger, Tuning, ask, by_instance, price
from aldente.tuning.budget import TASTED, Unit, alphas, reference_steps, rungs_of, units_of
from aldente.tuning.convergence import interval
from aldente.tuning.phases import curves_of, references
from aldente.tuning.result import Curve, Interval, Proof, Rivalry, Rung, SettingVerdict, Tolerance
from aldente.tuning.samples import Sample, rung, sample, sentence
from aldente.tuning.sequence import judge, sequence_bounds
from aldente.tuning.study import REFERENCE, Guarantee, Instance, Outcomes, Pair, Study, recipe_for

Setting = tuple[Pair, int]
"""A sampler and schedule at a number of steps."""

Stop = Literal["decided", "out of prompts", "out of budget"]


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What a mode found out about steps: curves, the tolerance, the proof if any, and where guidance is to be tried."""

    curves: tuple[Curve, ...]
    tolerance: Tolerance
    proof: Proof | None
    tasted: tuple[Instance, ...]


@dataclass(eq=False)
class _Contest:
    """The settings under test with their evidence so far; everything but the evidence was fixed by the pilot."""

    study: Study
    bound: float
    tolerance: Tolerance
    pilot: Mapping[Pair, Curve]
    rivals: Sequence[tuple[Setting, Setting]]
    samples: dict[Setting, list[Sample]] = field(default_factory=dict)
    losses: dict[Setting, dict[int, float]] = field(default_factory=dict)
    sure: dict[Setting, Interval] = field(default_factory=dict)
    drawn: int = 0


def until_decided(ledger: Ledger, guarantee: Guarantee) -> Tuning[Losses]:
    """Draw prompts until the cheapest setting within tolerance is sure, or until prompts or the budget run out."""
    study, units = ledger.study, units_of(ledger.study)
    pilot = [instance for unit in units[: guarantee.pilot] for instance in unit]
    solutions = yield from references(ledger, pilot)
    first = {_pair(curve): curve for curve in (yield from curves_of(ledger, solutions, pilot))}
    contest = _Contest(
        study=study,
        bound=guarantee.bound * solutions.tolerance.delta,
        tolerance=solutions.tolerance,
        pilot=first,
        rivals=_rivals(list(first.values()), solutions.tolerance.delta),
    )
    stopped = yield from _rounds(ledger, contest, units[guarantee.pilot :], guarantee.round)
    curves = tuple(curve for pair in first if (curve := _curve(contest, ledger, pair)).rungs)
    if not curves:
        raise UserError("no setting has a picture of any prompt, so none can be judged; look at the failed pictures.")
    more = stopped == "decided" and contest.drawn + guarantee.pilot < len(units)
    proof = Proof(
        bound=contest.bound,
        clipped=_clipped(contest, curves),
        pilot=guarantee.pilot,
        drawn=contest.drawn,
        given=len(units),
        unit="prompts" if len(set(study.prompts)) > 1 else "seeds",
        stopped=stopped,
        settings=tuple(_verdict(contest, curve, at, more=more) for curve in curves for at in curve.rungs),
        rivalries=tuple(found for pair in contest.rivals if (found := _rivalry(contest, *pair, more=more)) is not None),
    )
    tasted = tuple(instance for unit in units[:TASTED] for instance in unit)
    return Losses(curves=curves, tolerance=solutions.tolerance, proof=proof, tasted=tasted)


def _pair(curve: Curve) -> Pair:
    return Pair(sampler=curve.sampler, schedule=curve.schedule)


def _rivals(curves: Sequence[Curve], delta: float) -> list[tuple[Setting, Setting]]:
    """The likely choice beside the dearest setting of each other sampler that costs no more: what buyers would ask."""
    likely = []
    for curve in curves:
        for at in reversed(curve.rungs):
            if at.loss.mean > delta:
                break
            likely.append((at.calls, at.loss.mean, _pair(curve), at.steps))
    every = [(at.loss.mean, at.calls, _pair(curve), at.steps) for curve in curves for at in curve.rungs]
    *_, pair, steps = min(likely or every, key=lambda found: found[:2])
    price_of_it = next(at.calls for curve in curves if _pair(curve) == pair for at in curve.rungs if at.steps == steps)
    affordable = [(_pair(c), [at.steps for at in c.rungs if at.calls <= price_of_it]) for c in curves if _pair(c) != pair]
    return [((pair, steps), (other, most[-1])) for other, most in affordable if most]


def _rounds(ledger: Ledger, contest: _Contest, units: Sequence[Unit], size: int) -> Tuning[Stop]:
    """Round after round of the settings that can still change the choice; why it ended."""
    study = contest.study
    kept = ledger.phases_left["cfg"] + ledger.phases_left["confirmation"]
    for start in range(0, len(units), size):
        wanted = _wanted(contest)
        if not wanted:
            return "decided"
        some = units[start : start + size]
        recipes = [recipe_for(study, instance, *at) for at in _configurations(study, wanted) for u in some for instance in u]
        if study.budget_calls is not None and ledger.calls + price(recipes) + kept > study.budget_calls:
            return "out of budget"
        outcomes = yield from ask(ledger, "steps", recipes)
        _gather(contest, wanted, some, outcomes)
    return "out of prompts" if _wanted(contest) else "decided"


def _wanted(contest: _Contest) -> list[Setting]:
    """The settings that can still change the choice, and the undecided rivals while there are any; none when decided."""
    best = min((at.calls for curve in contest.pilot.values() for at in _within(contest, curve)), default=math.inf)
    wanted: list[Setting] = []
    for pair, curve in contest.pilot.items():
        reach = _undecided(contest, curve)
        if any(at.calls < best for at in reach):
            wanted += [(pair, at.steps) for at in reach]
    if wanted:
        for rivals in contest.rivals:
            found = _rivalry(contest, *rivals, more=True)
            if found is None or found.verdict == "continue":
                wanted += [setting for setting in rivals if setting not in wanted]
    return wanted


def _within(contest: _Contest, curve: Curve) -> Iterator[Rung]:
    """The rungs that are surely within tolerance, from the top down to the first that is not."""
    for at in reversed(curve.rungs):
        loss = contest.sure.get((_pair(curve), at.steps))
        if loss is None or loss.high is None or loss.high > contest.tolerance.delta:
            return
        yield at


def _undecided(contest: _Contest, curve: Curve) -> list[Rung]:
    """The rungs that are not decided yet, above the first that surely has too few steps."""
    found = []
    for at in reversed(curve.rungs):
        loss = contest.sure.get((_pair(curve), at.steps))
        if loss is not None and loss.low is not None and loss.low > contest.tolerance.delta:
            break
        if loss is None or loss.high is None or loss.high > contest.tolerance.delta:
            found.append(at)
    return found


def _solver(pair: Pair) -> Pair:
    return pair if pair.own_reference else REFERENCE


def _configurations(study: Study, wanted: Sequence[Setting]) -> list[tuple[Pair, int, float]]:
    """The settings and the converged pictures they are measured against."""
    cfg, top = study.base.sampling.guidance.scale, reference_steps(study)
    solvers = dict.fromkeys(_solver(pair) for pair, _ in wanted)
    return [(pair, steps, cfg) for pair, steps in (*((solver, top) for solver in solvers), *wanted)]


def _gather(contest: _Contest, wanted: Sequence[Setting], units: Sequence[Unit], outcomes: Outcomes) -> None:
    """Take in a round: the samples, the loss of each unit in JND, and the bounds that follow."""
    study, rungs = contest.study, rungs_of(contest.study)
    instances = [instance for unit in units for instance in unit]
    made = {at[:2]: by_instance(study, outcomes, instances, *at) for at in _configurations(study, wanted)}
    later = dict(zip(rungs, rungs[2:], strict=False))
    for pair, steps in wanted:
        references, at = made[_solver(pair), reference_steps(study)], _piloted(contest, pair, steps)
        further = made.get((pair, later.get(steps, 0)), {})
        pictures = made[pair, steps]
        for number, unit in enumerate(units, start=contest.drawn):
            whole = [instance for instance in unit if instance in pictures and instance in references]
            some = [sample(i, pictures[i], references[i], further.get(i), calls=at.calls) for i in whole]
            if some:
                loss = math.fsum(one.rmse for one in some) / len(some) * at.correction / contest.tolerance.jnd
                contest.samples.setdefault((pair, steps), []).extend(some)
                contest.losses.setdefault((pair, steps), {})[number] = loss
        if (pair, steps) in contest.losses:
            contest.sure[pair, steps] = _bounded(contest, (pair, steps))
    contest.drawn += len(units)


def _piloted(contest: _Contest, pair: Pair, steps: int) -> Rung:
    return next(at for at in contest.pilot[pair].rungs if at.steps == steps)


def _bounded(contest: _Contest, setting: Setting) -> Interval:
    """The mean of the losses of a setting, each counted up to the bound, with bounds that hold at every moment."""
    each = alphas(contest.study)
    losses = [min(loss, contest.bound) for _, loss in sorted(contest.losses[setting].items())]
    found = sequence_bounds(losses, floor=0.0, ceiling=contest.bound, alpha_low=each.too_few, alpha_high=each.within)
    return interval(found, each.within)


def _rivalry(contest: _Contest, first: Setting, second: Setting, *, more: bool) -> Rivalry | None:
    """Two settings on the prompts that both have drawn; None before there is one."""
    one, other = (contest.losses.get(setting, {}) for setting in (first, second))
    both = sorted(one.keys() & other.keys())
    if not both:
        return None
    bound, each = contest.bound, alphas(contest.study).compared
    apart = [min(one[number], bound) - min(other[number], bound) for number in both]
    found = sequence_bounds(apart, floor=-bound, ceiling=bound, alpha_low=each, alpha_high=each)
    names = [f"{pair.title}, {steps} steps" for pair, steps in (first, second)]
    return Rivalry(
        first=names[0],
        second=names[1],
        difference=interval(found, each),
        verdict=judge(found.low, found.high, contest.tolerance.delta, more=more),
    )


def _curve(contest: _Contest, ledger: Ledger, pair: Pair) -> Curve:
    """The curve of a pair as the evidence has it; its law is that of the pilot."""
    piloted = contest.pilot[pair]
    rungs = tuple(
        rung(
            at.steps,
            contest.samples[pair, at.steps],
            contest.sure[pair, at.steps],
            contest.tolerance,
            at.correction,
            seconds_per_call=ledger.seconds_per_call,
        )
        for at in piloted.rungs
        if (pair, at.steps) in contest.sure
    )
    plateau = min((at.steps for at in _within(contest, piloted)), default=None)
    found = piloted.model_copy(update={"rungs": rungs, "plateau": plateau})
    return found.model_copy(update={"sentence": sentence(found, contest.tolerance.delta)}) if rungs else found


def _verdict(contest: _Contest, curve: Curve, at: Rung, *, more: bool) -> SettingVerdict:
    """The verdict on a setting; equivalence is claimed only where all larger step counts have it."""
    found = judge(at.loss.low, at.loss.high, contest.tolerance.delta, more=more)
    if found == "practically equivalent" and (curve.plateau is None or at.steps < curve.plateau):
        found = "continue" if more else "inconclusive"
    return SettingVerdict(sampler=curve.sampler, schedule=curve.schedule, steps=at.steps, verdict=found, loss=at.loss)


def _clipped(contest: _Contest, curves: Sequence[Curve]) -> float:
    """The share of the losses of settings found equivalent that were larger than they counted."""
    sure = [(_pair(c), at.steps) for c in curves for at in c.rungs if c.plateau is not None and at.steps >= c.plateau]
    losses = [loss for setting in sure for loss in contest.losses[setting].values()]
    return sum(loss > contest.bound for loss in losses) / len(losses) if losses else 0.0
