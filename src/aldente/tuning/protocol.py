"""The protocol of a study: it yields the recipes it needs, receives their pictures, and returns what they prove.

Like a denoiser, a study asks and never renders. It is a function of its question and of the pictures alone, so resuming is
running it again with the pictures that exist already.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from aldente.engine.errors import UserError
from aldente.quality.bounds import loss_bounds
from aldente.quality.reference import jpeg_rmse, rmse
from aldente.quality.table import flaws
from aldente.recipe.recipe import Recipe
from aldente.tuning.budget import cfg_values, fitted, own_references, predicted_calls, reference_steps, rungs_of
from aldente.tuning.convergence import interval, prompts_of
from aldente.tuning.decision import choose, clamped, curve_of, front, next_rung, revised, rung_at, tolerance
from aldente.tuning.flaws import guidance_range
from aldente.tuning.result import Choice, Confirmation, Curve, GuidanceRange, Tolerance, TuningResult
from aldente.tuning.samples import Sample, curve, sample
from aldente.tuning.study import (
    REFERENCE,
    WITNESS,
    Instance,
    Need,
    Outcome,
    Outcomes,
    Pair,
    Study,
    calls_of,
    judged,
    recipe_for,
)
from aldente.tuning.verdict import confidence, on_cfg, on_checks, reasons

T = TypeVar("T")
Tuning = Generator[Need, Outcomes, T]
"""A computation that asks for pictures on its way to a ``T``."""


@dataclass(eq=False)
class _Ledger:
    """What one run of the protocol has asked for."""

    study: Study
    rng: np.random.Generator
    seconds_per_call: float | None
    phases_left: dict[str, int]
    seen: set[str] = field(default_factory=set)
    calls: int = 0
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class _Solutions:
    """The converged pictures: of the one equation, by instance, and of the pairs that have a solution of their own."""

    common: Mapping[Instance, Outcome]
    own: Mapping[Pair, Mapping[Instance, Outcome]]
    steps: int
    tolerance: Tolerance


def tune(study: Study, *, seconds_per_call: float | None = None) -> Tuning[TuningResult]:
    """Run a study: references, step ladders, CFG range, decision, confirmation.

    ``seconds_per_call`` (of one model evaluation, measured by whoever renders) turns model calls into seconds in the result.
    Raises UserError when the study cannot be carried out within its budget, or when no reference could be rendered.
    """
    study, unfit = judged(study)
    study, cuts = fitted(study)
    seed = int(study.digest()[:16], 16)
    ledger = _Ledger(study, np.random.default_rng(seed), seconds_per_call, predicted_calls(study))
    solutions = yield from _references(ledger)
    curves = yield from _curves(ledger, solutions)
    wanted = study.base.sampling.guidance.scale
    choice = choose(curves, cfg=wanted)
    found = yield from _guidance(ledger, choice)
    if found is not None:
        choice = choice.model_copy(update={"cfg": clamped(wanted, found)})
    checks = yield from _confirmation(ledger, choice, curves, solutions.tolerance)
    choice, changed = revised(choice, checks, curves)
    said = (*reasons(choice, curves, solutions.tolerance), *changed, *on_cfg(choice, wanted, found), *on_checks(checks))
    return TuningResult(
        study=study.digest(),
        goal=study.goal,
        choice=choice,
        tolerance=solutions.tolerance,
        curves=curves,
        guidance=found,
        confirmation=checks,
        front=front(curves),
        sentences=said,
        cuts=(*unfit, *cuts),
        confidence=confidence(study, curves),
        calls=ledger.calls,
        pictures=len(ledger.seen) - ledger.missing,
        missing=ledger.missing,
    )


def _ask(ledger: _Ledger, phase: str, wanted: Iterable[Recipe]) -> Tuning[Outcomes]:
    """Ask for recipes that were not asked for in the same breath, and keep the books."""
    recipes = {recipe.digest(): recipe for recipe in wanted}
    new = [recipe for digest, recipe in recipes.items() if digest not in ledger.seen]
    calls = sum(_calls(recipe) for recipe in new)
    ledger.phases_left[phase] = max(0, ledger.phases_left[phase] - calls)
    need = Need(phase=phase, recipes=tuple(recipes.values()), calls=calls, calls_after=sum(ledger.phases_left.values()))
    outcomes = yield need
    ledger.missing += sum(digest not in outcomes for digest in recipes if digest not in ledger.seen)
    ledger.seen.update(recipes)
    ledger.calls += calls
    return outcomes


def _calls(recipe: Recipe) -> int:
    sampling = recipe.sampling
    return calls_of(Pair(sampler=sampling.sampler, schedule=sampling.schedule), sampling.steps, sampling.guidance.scale)


def _instances(study: Study) -> list[Instance]:
    return [(prompt, seed) for prompt in dict.fromkeys(study.prompts) for seed in dict.fromkeys(study.seeds)]


def _by_instance(
    study: Study, outcomes: Outcomes, instances: Sequence[Instance], pair: Pair, steps: int, cfg: float
) -> dict[Instance, Outcome]:
    """The pictures of a configuration that were made."""
    digests = {instance: recipe_for(study, instance, pair, steps, cfg).digest() for instance in instances}
    return {instance: outcomes[digest] for instance, digest in digests.items() if digest in outcomes}


def _references(ledger: _Ledger) -> Tuning[_Solutions]:
    """The converged pictures, and from them the tolerance: noise floor by the witness, JND by JPEG."""
    study, instances = ledger.study, _instances(ledger.study)
    cfg, steps = study.base.sampling.guidance.scale, reference_steps(study)
    solved = (REFERENCE, *(pair for pair in own_references(study) if pair != REFERENCE))
    witnessed = [(prompt, study.seeds[0]) for prompt in dict.fromkeys(study.prompts)]
    recipes = [recipe_for(study, instance, pair, steps, cfg) for pair in solved for instance in instances]
    recipes += [recipe_for(study, instance, WITNESS, steps // 2, cfg) for instance in witnessed]
    outcomes = yield from _ask(ledger, "references", recipes)
    made = {pair: _by_instance(study, outcomes, instances, pair, steps, cfg) for pair in solved}
    common = made[REFERENCE]
    if not common:
        raise UserError("none of the reference pictures could be rendered, so there is nothing to measure against.")
    second = _by_instance(study, outcomes, witnessed, WITNESS, steps // 2, cfg)
    apart = [rmse(outcome.image, common[instance].image) for instance, outcome in second.items() if instance in common]
    # A flat picture survives JPEG unharmed; half a step, about what rounding to 8 bits costs, is the least that can count.
    jnd = max(0.5, math.fsum(jpeg_rmse(outcome.image) for outcome in common.values()) / len(common))
    floor = math.fsum(apart) / len(apart) / jnd if apart else None
    own = {pair: found for pair, found in made.items() if pair.own_reference}
    return _Solutions(common=common, own=own, steps=steps, tolerance=tolerance(study.goal, jnd=jnd, floor=floor))


def _curves(ledger: _Ledger, solutions: _Solutions) -> Tuning[tuple[Curve, ...]]:
    """Every sampler and schedule along the ladder, one ask each."""
    study, instances, rungs = ledger.study, _instances(ledger.study), rungs_of(ledger.study)
    cfg = study.base.sampling.guidance.scale
    curves: list[Curve] = []
    for pair in study.pairs:
        recipes = [recipe_for(study, instance, pair, steps, cfg) for steps in rungs for instance in instances]
        outcomes = yield from _ask(ledger, "steps", recipes)
        made = {steps: _by_instance(study, outcomes, instances, pair, steps, cfg) for steps in rungs}
        samples = _samples(pair, made, solutions.own.get(pair, solutions.common), cfg)
        if not all(samples.values()):
            continue
        curves.append(
            curve(
                pair,
                samples,
                solutions.tolerance,
                alpha=study.alpha / len(study.pairs),
                rng=ledger.rng,
                reference=pair if pair.own_reference else REFERENCE,
                reference_steps=solutions.steps,
                seconds_per_call=ledger.seconds_per_call,
            )
        )
    if not curves:
        raise UserError("no sampler has a picture at every step count, so none can be judged; look at the failed pictures.")
    return tuple(curves)


def _samples(
    pair: Pair, made: Mapping[int, Mapping[Instance, Outcome]], references: Mapping[Instance, Outcome], cfg: float
) -> dict[int, list[Sample]]:
    """The measured pictures of a pair; an instance counts only where every step count and its reference were made."""
    rungs = sorted(made)
    whole = [instance for instance in references if all(instance in made[steps] for steps in rungs)]
    later = dict(zip(rungs, rungs[2:], strict=False))
    return {
        steps: [
            sample(
                instance,
                made[steps][instance],
                references[instance],
                made[later[steps]][instance] if steps in later else None,
                calls=calls_of(pair, steps, cfg),
            )
            for instance in whole
        ]
        for steps in rungs
    }


def _guidance(ledger: _Ledger, choice: Choice) -> Tuning[GuidanceRange | None]:
    """The flaw signs along CFG, at the chosen sampler, schedule and steps."""
    study, instances, values = ledger.study, _instances(ledger.study), cfg_values(ledger.study)
    if not values:
        return None
    pair = Pair(sampler=choice.sampler, schedule=choice.schedule)
    recipes = [recipe_for(study, instance, pair, choice.steps, value) for value in values for instance in instances]
    outcomes = yield from _ask(ledger, "cfg", recipes)
    made = {value: _by_instance(study, outcomes, instances, pair, choice.steps, value) for value in values}
    whole = [instance for instance in instances if all(instance in made[value] for value in values)]
    if not whole:
        return None
    readings = {value: [flaws(made[value][instance].image) for instance in whole] for value in values}
    return guidance_range(readings, prompts_of(whole), baseline=study.baseline_cfg, alpha=study.alpha, rng=ledger.rng)


def _confirmation(
    ledger: _Ledger, choice: Choice, curves: Sequence[Curve], limit: Tolerance
) -> Tuning[tuple[Confirmation, ...]]:
    """The choice and the rung above it, at the chosen CFG, on prompts or seeds that were not used so far."""
    study, pair = ledger.study, Pair(sampler=choice.sampler, schedule=choice.schedule)
    if not study.confirm:
        return ()
    fresh = (max(study.seeds) + 1) % 2**64
    prompts, seed = (study.held_out_prompts, study.seeds[0]) if study.held_out_prompts else (study.prompts, fresh)
    instances = [(prompt, seed) for prompt in dict.fromkeys(prompts)]
    chosen = curve_of(choice, curves)
    above = next_rung(chosen, choice.steps)
    tried = [choice.steps] + ([above.steps] if above is not None else [])
    solver, steps = pair if pair.own_reference else REFERENCE, reference_steps(study)
    configurations = [(solver, steps), *((pair, n) for n in tried)]
    recipes = [recipe_for(study, instance, p, n, choice.cfg) for p, n in configurations for instance in instances]
    outcomes = yield from _ask(ledger, "confirmation", recipes)
    references = _by_instance(study, outcomes, instances, solver, steps, choice.cfg)
    what = "held-out prompts" if study.held_out_prompts else "a held-out seed"
    checks = []
    for n in tried:
        made = _by_instance(study, outcomes, instances, pair, n, choice.cfg)
        both = [instance for instance in instances if instance in made and instance in references]
        if not both:
            continue
        factor = rung_at(chosen, n).correction / limit.jnd
        losses = [rmse(made[instance].image, references[instance].image) for instance in both]
        clusters: list[Hashable] = [prompt for prompt, _ in both]
        loss = interval(loss_bounds(losses, clusters, alpha=study.alpha, rng=ledger.rng), study.alpha, factor=factor)
        sure = loss.high is not None and loss.high <= limit.delta
        verdict = "confirmed" if sure else "consistent" if loss.mean <= limit.delta else "contradicted"
        checks.append(Confirmation(steps=n, loss=loss, on=f"{what} ({len(both)} pictures)", verdict=verdict))  # type: ignore[arg-type]
    return tuple(checks)
