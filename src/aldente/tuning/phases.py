"""The phases of a study: converged pictures, ladders of steps, scales of guidance, confirmation."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from aldente.engine.errors import UserError
from aldente.quality.bounds import loss_bounds
from aldente.quality.reference import jpeg_rmse, rmse
from aldente.quality.table import flaws
from aldente.tuning.asking import Ledger, Tuning, ask, by_instance
from aldente.tuning.budget import cfg_values, own_references, reference_steps, rungs_of
from aldente.tuning.convergence import interval, prompts_of
from aldente.tuning.decision import choice_of, curve_of, next_rung, rung_at, tolerance
from aldente.tuning.flaws import flawed_share, guidance_range, too_many
from aldente.tuning.result import Choice, Confirmation, Curve, GuidanceRange, Tolerance
from aldente.tuning.samples import Sample, curve, sample
from aldente.tuning.study import REFERENCE, WITNESS, Instance, Outcome, Pair, calls_of, recipe_for


@dataclass(frozen=True, kw_only=True)
class Solutions:
    """The converged pictures: of the one equation, by instance, and of the pairs that have a solution of their own."""

    common: Mapping[Instance, Outcome]
    own: Mapping[Pair, Mapping[Instance, Outcome]]
    steps: int
    tolerance: Tolerance


def references(ledger: Ledger, instances: Sequence[Instance]) -> Tuning[Solutions]:
    """The converged pictures, and from them the tolerance: noise floor by the witness, JND by JPEG."""
    study = ledger.study
    cfg, steps = study.base.sampling.guidance.scale, reference_steps(study)
    solved = (REFERENCE, *(pair for pair in own_references(study) if pair != REFERENCE))
    witnessed = list({instance[0]: instance for instance in reversed(instances)}.values())
    recipes = [recipe_for(study, instance, pair, steps, cfg) for pair in solved for instance in instances]
    recipes += [recipe_for(study, instance, WITNESS, steps // 2, cfg) for instance in witnessed]
    outcomes = yield from ask(ledger, "references", recipes)
    made = {pair: by_instance(study, outcomes, instances, pair, steps, cfg) for pair in solved}
    common = made[REFERENCE]
    if not common:
        raise UserError("none of the reference pictures could be rendered, so there is nothing to measure against.")
    second = by_instance(study, outcomes, witnessed, WITNESS, steps // 2, cfg)
    apart = [rmse(outcome.image, common[instance].image) for instance, outcome in second.items() if instance in common]
    # A flat picture survives JPEG unharmed; half a step, about what rounding to 8 bits costs, is the least that can count.
    jnd = max(0.5, math.fsum(jpeg_rmse(outcome.image) for outcome in common.values()) / len(common))
    floor = math.fsum(apart) / len(apart) / jnd if apart else None
    own = {pair: found for pair, found in made.items() if pair.own_reference}
    return Solutions(common=common, own=own, steps=steps, tolerance=tolerance(study.goal, jnd=jnd, floor=floor))


def curves_of(ledger: Ledger, solutions: Solutions, instances: Sequence[Instance]) -> Tuning[tuple[Curve, ...]]:
    """Every sampler and schedule along the ladder, one ask each."""
    study, rungs = ledger.study, rungs_of(ledger.study)
    cfg = study.base.sampling.guidance.scale
    found: list[Curve] = []
    for pair in study.pairs:
        recipes = [recipe_for(study, instance, pair, steps, cfg) for steps in rungs for instance in instances]
        outcomes = yield from ask(ledger, "steps", recipes)
        made = {steps: by_instance(study, outcomes, instances, pair, steps, cfg) for steps in rungs}
        samples = samples_of(pair, made, solutions.own.get(pair, solutions.common), cfg)
        if not all(samples.values()):
            continue
        found.append(
            curve(
                pair,
                samples,
                solutions.tolerance,
                alpha=study.alpha / len(study.pairs),
                reference=pair if pair.own_reference else REFERENCE,
                reference_steps=solutions.steps,
                seconds_per_call=ledger.seconds_per_call,
            )
        )
    if not found:
        raise UserError("no sampler has a picture at every step count, so none can be judged; look at the failed pictures.")
    return tuple(found)


def samples_of(
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


def without_flaws(
    ledger: Ledger, choice: Choice, found: Sequence[Curve], instances: Sequence[Instance]
) -> Tuning[tuple[Choice, list[str]]]:
    """The choice, or the next rung above it at which pictures have no more flaws than converged ones, and why it moved.

    Few steps may leave noise or dirt that hardly counts as a distance. All of these pictures have been drawn already.
    """
    study, pair = ledger.study, Pair(sampler=choice.sampler, schedule=choice.schedule)
    chosen, solver = curve_of(choice, found), pair if pair.own_reference else REFERENCE
    seen: list[str] = []
    for at in (rung for rung in chosen.rungs if rung.steps >= choice.steps):
        places = ((solver, reference_steps(study)), (pair, at.steps))
        recipes = [recipe_for(study, i, *place, choice.cfg) for place in places for i in instances]
        outcomes = yield from ask(ledger, "steps", recipes)
        converged, made = (by_instance(study, outcomes, instances, *place, choice.cfg) for place in places)
        both = [instance for instance in instances if instance in made and instance in converged]
        if not both:
            break
        signs, ideal = ([flaws(some[instance].image) for instance in both] for some in (made, converged))
        share = flawed_share(signs, ideal, prompts_of(both), alpha=study.alpha)
        if not too_many(share):
            moved = choice_of(chosen, at, cfg=choice.cfg, within=choice.within_tolerance) if seen else choice
            return moved, [*seen, f"At {at.steps} steps they are not."] if seen else []
        seen.append(f"At {at.steps} steps {share.mean:.0%} of the pictures are worse in two flaw signs than converged ones.")
    return choice, [*seen, "No step count is free of them, so the choice was left."] if seen else []


def guidance(ledger: Ledger, choice: Choice, instances: Sequence[Instance]) -> Tuning[GuidanceRange | None]:
    """The flaw signs along CFG, at the chosen sampler, schedule and steps."""
    study, values = ledger.study, cfg_values(ledger.study)
    if not values:
        return None
    pair = Pair(sampler=choice.sampler, schedule=choice.schedule)
    recipes = [recipe_for(study, instance, pair, choice.steps, value) for value in values for instance in instances]
    outcomes = yield from ask(ledger, "cfg", recipes)
    made = {value: by_instance(study, outcomes, instances, pair, choice.steps, value) for value in values}
    whole = [instance for instance in instances if all(instance in made[value] for value in values)]
    if not whole:
        return None
    readings = {value: [flaws(made[value][instance].image) for instance in whole] for value in values}
    return guidance_range(readings, prompts_of(whole), baseline=study.baseline_cfg, alpha=study.alpha)


def confirmation(ledger: Ledger, choice: Choice, found: Sequence[Curve], limit: Tolerance) -> Tuning[tuple[Confirmation, ...]]:
    """The choice and the rung above it, at the chosen CFG, on prompts or seeds that were not used so far."""
    study, pair = ledger.study, Pair(sampler=choice.sampler, schedule=choice.schedule)
    fresh = (max(study.seeds) + 1) % 2**64
    prompts, seed = (study.held_out_prompts, study.seeds[0]) if study.held_out_prompts else (study.prompts, fresh)
    instances = [(prompt, seed) for prompt in dict.fromkeys(prompts)]
    chosen = curve_of(choice, found)
    above = next_rung(chosen, choice.steps)
    tried = [choice.steps] + ([above.steps] if above is not None else [])
    solver, steps = pair if pair.own_reference else REFERENCE, reference_steps(study)
    configurations = [(solver, steps), *((pair, n) for n in tried)]
    recipes = [recipe_for(study, instance, p, n, choice.cfg) for p, n in configurations for instance in instances]
    outcomes = yield from ask(ledger, "confirmation", recipes)
    references = by_instance(study, outcomes, instances, solver, steps, choice.cfg)
    what = "held-out prompts" if study.held_out_prompts else "a held-out seed"
    checks = []
    for n in tried:
        made = by_instance(study, outcomes, instances, pair, n, choice.cfg)
        both = [instance for instance in instances if instance in made and instance in references]
        if not both:
            continue
        factor = rung_at(chosen, n).correction / limit.jnd
        losses = [rmse(made[instance].image, references[instance].image) for instance in both]
        clusters: list[Hashable] = [prompt for prompt, _ in both]
        loss = interval(loss_bounds(losses, clusters, alpha=study.alpha), study.alpha, factor=factor)
        sure = loss.high is not None and loss.high <= limit.delta
        verdict = "confirmed" if sure else "consistent" if loss.mean <= limit.delta else "contradicted"
        checks.append(Confirmation(steps=n, loss=loss, on=f"{what} ({len(both)} pictures)", verdict=verdict))  # type: ignore[arg-type]
    return tuple(checks)
