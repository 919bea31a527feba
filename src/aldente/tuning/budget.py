"""What a study costs before it runs, and what it leaves out when that is too much."""

from __future__ import annotations

from collections.abc import Callable

from aldente.engine.errors import UserError
from aldente.tuning.ladder import ladder
from aldente.tuning.study import REFERENCE, WITNESS, Pair, Study, calls_of

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


def predicted_calls(study: Study) -> dict[str, int]:
    """The model evaluations of each phase. 28 steps of the first pair stand in for the choice."""
    cfg, top = study.base.sampling.guidance.scale, reference_steps(study)
    prompts, instances = len(study.prompts), len(study.prompts) * len(study.seeds)
    typical = min(28, rungs_of(study)[-1])
    solved = {REFERENCE, *own_references(study)}
    per_instance = sum(calls_of(pair, top, cfg) for pair in solved)
    held_out = len(study.held_out_prompts) or prompts
    checks = calls_of(REFERENCE, top, cfg) + 2 * calls_of(study.pairs[0], typical + typical // 2, cfg)
    return {
        "references": instances * per_instance + prompts * calls_of(WITNESS, top // 2, cfg),
        "steps": sum(instances * calls_of(pair, steps, cfg) for pair in study.pairs for steps in rungs_of(study)),
        "cfg": sum(instances * calls_of(study.pairs[0], typical, value) for value in cfg_values(study)),
        "confirmation": held_out * checks if study.confirm else 0,
    }


def total_calls(study: Study) -> int:
    """The model evaluations of the whole study, predicted."""
    return sum(predicted_calls(study).values())


def calls_for_seconds(seconds: float, seconds_per_call: float) -> int:
    """The budget in model evaluations that a budget in seconds is, at a measured speed."""
    return max(1, int(seconds / seconds_per_call))


def fitted(study: Study) -> tuple[Study, list[str]]:
    """The study cut down to its budget, and a sentence for each cut, what is missed least first.

    The order: top rungs above 40, samplers beyond three, second seeds, every other CFG scale, rungs above 20, samplers beyond
    two, prompts beyond three. Raises UserError when even that is too dear.
    """
    said: list[str] = []
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
