"""What a study costs before it runs, and what it leaves out when that is too much."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from aldente.engine.errors import UserError
from aldente.tuning.ladder import ladder
from aldente.tuning.sequence import fewest
from aldente.tuning.study import REFERENCE, WITNESS, Guarantee, Instance, Pair, Study, calls_of, instances_of

Unit = tuple[Instance, ...]
"""What counts once: a prompt with all of its seeds, or one seed where there is a single prompt."""

TASTED = 8
"""Prompts on which a guaranteed study looks for flaws along CFG: that part is judged at once, as in the fast mode."""

WITHIN, TOO_FEW, COMPARED = 0.7, 0.2, 0.1
"""How the probability of an error is shared out: plateaus, steps that are too few, comparisons of rivals."""

FEWEST_PROMPTS, FEWEST_PAIRS, LOWEST_TOP = 3, 2, 20


def rungs_of(study: Study) -> tuple[int, ...]:
    """The step counts of the study."""
    return ladder(study.steps_low, study.steps_high)


def reference_steps(study: Study) -> int:
    """The steps of converged pictures: twice the top of the ladder."""
    return 2 * rungs_of(study)[-1]


def own_references(study: Study) -> tuple[Pair, ...]:
    """The pairs that converge to a solution of their own."""
    return tuple(pair for pair in study.pairs if pair.own_reference)


def cfg_values(study: Study) -> tuple[float, ...]:
    """The CFG scales to render, with the baseline among them; none when CFG is left alone."""
    return tuple(sorted({*study.cfgs, study.baseline_cfg})) if study.cfgs else ()


class Alphas(NamedTuple):
    """The probability of an error of each single claim; together they are at most that of the study."""

    within: float
    too_few: float
    compared: float


def alphas(study: Study) -> Alphas:
    """The error of a plateau (one sampler, all rungs in order), of a rung with too few steps, of one side of a comparison."""
    samplers = len(study.pairs)
    return Alphas(
        within=study.alpha * WITHIN / samplers,
        too_few=study.alpha * TOO_FEW / (samplers * len(rungs_of(study))),
        compared=study.alpha * COMPARED / (2 * max(1, samplers - 1)),
    )


def units_of(study: Study) -> list[Unit]:
    """Prompts with all of their seeds, or the seeds of a single prompt, in the order in which they are drawn.

    Prompts come in the order of their hashes: whatever order a file has, and the same in every study, so that pictures are
    found again.
    """
    instances = instances_of(study)
    prompts = sorted({prompt for prompt, _ in instances}, key=lambda prompt: hashlib.sha256(prompt.encode()).digest())
    if len(prompts) == 1:
        return [(instance,) for instance in instances]
    return [tuple(instance for instance in instances if instance[0] == prompt) for prompt in prompts]


def confirms(study: Study) -> bool:
    """Whether the choice is looked at again: in the fast mode always, in the guaranteed one on held-out prompts only."""
    return study.confirm and (study.guarantee is None or bool(study.held_out_prompts))


def predicted_calls(study: Study) -> dict[str, int]:
    """The model evaluations of each phase. 28 steps of the first pair stand in for the choice."""
    cfg, top = study.base.sampling.guidance.scale, reference_steps(study)
    prompts, instances = len(study.prompts), len(study.prompts) * len(study.seeds)
    typical = min(28, rungs_of(study)[-1])
    solved = {REFERENCE, *own_references(study)}
    per_instance = sum(calls_of(pair, top, cfg) for pair in solved)
    held_out = len(study.held_out_prompts) or prompts
    checks = calls_of(REFERENCE, top, cfg) + 2 * calls_of(study.pairs[0], typical + typical // 2, cfg)
    witnessed, tasted = prompts, instances
    if study.guarantee is not None:
        units = units_of(study)
        witnessed = len({prompt for unit in units[: study.guarantee.pilot] for prompt, _ in unit})
        tasted = sum(map(len, units[:TASTED]))
    return {
        "references": instances * per_instance + witnessed * calls_of(WITNESS, top // 2, cfg),
        "steps": sum(instances * calls_of(pair, steps, cfg) for pair in study.pairs for steps in rungs_of(study)),
        "cfg": sum(tasted * calls_of(study.pairs[0], typical, value) for value in cfg_values(study)),
        "confirmation": held_out * checks if confirms(study) else 0,
    }


def total_calls(study: Study) -> int:
    """The model evaluations of the whole study, predicted; of a guaranteed one, the most it may take."""
    total = sum(predicted_calls(study).values())
    return total if study.guarantee is None or study.budget_calls is None else min(total, study.budget_calls)


def calls_for_seconds(seconds: float, seconds_per_call: float) -> int:
    """The budget in model evaluations that a budget in seconds is, at a measured speed."""
    return max(1, int(seconds / seconds_per_call))


def fitted(study: Study) -> tuple[Study, list[str]]:
    """The study cut down to its budget, and a sentence for each cut, what is missed least first.

    The order: top rungs above 40, samplers beyond three, second seeds, every other CFG scale, rungs above 20, samplers beyond
    two, prompts beyond three. Raises UserError when even that is too dear. A guaranteed study is never cut: its budget says
    when to stop. Raises UserError when it could not possibly decide anything.
    """
    if study.base.sampling.reuse_threshold:
        raise UserError(
            "reuse_threshold is set, but a study counts the calls that steps take, which step caching leaves to the picture;"
            " unset it, or let a search weigh it: aldente search --space 'reuse_threshold=0,0.03,0.1'."
        )
    said: list[str] = []
    if study.guarantee is not None:
        _check(study, study.guarantee)
        return study, said
    budget = study.budget_calls
    if budget is None:
        return study, said
    for cut in _cuts():
        while total_calls(study) > budget and (smaller := cut(study)) is not None:
            said.append(_missed(study, smaller))
            study = smaller
    if total_calls(study) > budget:
        raise UserError(
            f"a budget of {budget} model calls is too small: the smallest sound study of these prompts needs about "
            f"{total_calls(study)}. Raise the budget, or name fewer prompts or samplers."
        )
    return study, said


def _check(study: Study, guarantee: Guarantee) -> None:
    """Refuse a guaranteed study whose prompts, or whose budget, cannot decide anything even where nothing is lost."""
    units, least = units_of(study), guarantee.pilot + fewest(guarantee.bound, alphas(study).within)
    if len(units) < least:
        what = "prompts" if len(set(study.prompts)) > 1 else "seeds of the one prompt"
        raise UserError(
            f"{len(units)} {what} cannot guarantee anything at {1 - study.alpha:.0%} confidence: {guarantee.pilot} set the "
            f"tolerance and {least - guarantee.pilot} more are the least that can decide among {len(study.pairs)} samplers. "
            f"Give about {2 * least}, name fewer samplers, ask for less confidence, or leave the guarantee out."
        )
    if study.budget_calls is None:
        return
    each = len(units[0]) * sum(
        calls_of(pair, rungs_of(study)[-1], study.base.sampling.guidance.scale) for pair in study.pairs[:1]
    )
    whole = predicted_calls(study)
    pilot = (whole["references"] + whole["steps"]) * guarantee.pilot // len(units)
    needed = pilot + whole["cfg"] + whole["confirmation"] + each * (least - guarantee.pilot)
    if study.budget_calls < needed:
        raise UserError(
            f"a budget of {study.budget_calls} model calls is too small for a guarantee: even the luckiest study of these "
            f"prompts needs about {needed}. Raise the budget, name fewer samplers or seeds, or leave the guarantee out."
        )


def _cuts() -> tuple[Callable[[Study], Study | None], ...]:
    return (
        lambda study: _lower_top(study, 40),
        lambda study: _fewer_pairs(study, 3),
        lambda study: study.model_copy(update={"seeds": study.seeds[:-1]}) if len(study.seeds) > 1 else None,
        lambda study: study.model_copy(update={"cfgs": _thinned(study)}) if len(study.cfgs) > 4 else None,
        lambda study: _lower_top(study, LOWEST_TOP),
        lambda study: _fewer_pairs(study, FEWEST_PAIRS),
        _fewer_prompts,
    )


def _missed(before: Study, after: Study) -> str:
    """What ``after`` lacks, in words."""
    if rungs_of(before) != rungs_of(after):
        return f"Steps above {rungs_of(after)[-1]} (up to {rungs_of(before)[-1]}) were left out."
    if before.pairs != after.pairs:
        return f"{before.pairs[-1].title} was left out."
    if before.seeds != after.seeds:
        return f"{len(after.seeds)} instead of {len(before.seeds)} seeds for each prompt."
    if before.cfgs != after.cfgs:
        return f"{len(after.cfgs)} instead of {len(before.cfgs)} CFG scales."
    return f"The prompt '{before.prompts[-1]}' was left out."


def _lower_top(study: Study, lowest: int) -> Study | None:
    rungs = rungs_of(study)
    if len(rungs) < 4 or rungs[-2] < lowest:
        return None
    return study.model_copy(update={"steps_high": rungs[-2]})


def _fewer_pairs(study: Study, fewest: int) -> Study | None:
    return study.model_copy(update={"pairs": study.pairs[:-1]}) if len(study.pairs) > fewest else None


def _fewer_prompts(study: Study) -> Study | None:
    return study.model_copy(update={"prompts": study.prompts[:-1]}) if len(study.prompts) > FEWEST_PROMPTS else None


def _thinned(study: Study) -> tuple[float, ...]:
    """Every other scale, the ends kept."""
    values = sorted(study.cfgs)
    return tuple(value for i, value in enumerate(values) if i % 2 == (len(values) - 1) % 2 or i == 0)
