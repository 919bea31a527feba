"""The protocol of a study: it yields the recipes it needs, receives their pictures, and returns what they prove.

Like a denoiser, a study asks and never renders. It is a function of its question and of the pictures alone, so resuming is
running it again with the pictures that exist already.
"""

from __future__ import annotations

from aldente.tuning.asking import Ledger, Tuning
from aldente.tuning.budget import confirms, fitted, predicted_calls
from aldente.tuning.decision import choose, clamped, front, revised
from aldente.tuning.guaranteed import Losses, until_decided
from aldente.tuning.phases import confirmation, curves_of, guidance, references, without_flaws
from aldente.tuning.result import TuningResult
from aldente.tuning.study import Study, instances_of, judged
from aldente.tuning.verdict import confidence, guarantee, on_cfg, on_checks, on_rivals, reasons


def tune(study: Study, *, seconds_per_call: float | None = None) -> Tuning[TuningResult]:
    """Run a study: references, step ladders, CFG range, decision, confirmation.

    ``seconds_per_call`` (of one model evaluation, measured by whoever renders) turns model calls into seconds in the result.
    Raises UserError when the study cannot be carried out within its budget, or when no reference could be rendered.
    """
    study, unfit = judged(study)
    study, cuts = fitted(study)
    ledger = Ledger(study, seconds_per_call, predicted_calls(study))
    losses = yield from (_at_once(ledger) if study.guarantee is None else until_decided(ledger, study.guarantee))
    curves, tolerance, proof = losses.curves, losses.tolerance, losses.proof
    wanted = study.base.sampling.guidance.scale
    choice = choose(curves, cfg=wanted)
    choice, flawed = yield from without_flaws(ledger, choice, curves, losses.tasted)
    found = yield from guidance(ledger, choice, losses.tasted)
    if found is not None:
        choice = choice.model_copy(update={"cfg": clamped(wanted, found)})
    # A guarantee needs no second look: its bounds hold for what they chose. Held-out prompts are looked at where given.
    checks = (yield from confirmation(ledger, choice, curves, tolerance)) if confirms(study) else ()
    choice, changed = revised(choice, checks, curves)
    why = (*reasons(choice, curves, tolerance), *(() if proof is None else on_rivals(proof)))
    said = (*why, *flawed, *changed, *on_cfg(choice, wanted, found), *on_checks(checks))
    return TuningResult(
        study=study.digest(),
        goal=study.goal,
        choice=choice,
        tolerance=tolerance,
        curves=curves,
        guidance=found,
        confirmation=checks,
        front=front(curves),
        sentences=said,
        cuts=(*unfit, *cuts),
        confidence=confidence(study, curves) if proof is None else guarantee(study, tolerance, proof),
        calls=ledger.calls,
        pictures=len(ledger.seen) - ledger.missing,
        missing=ledger.missing,
        mode="fast" if proof is None else "guaranteed",
        proof=proof,
    )


def _at_once(ledger: Ledger) -> Tuning[Losses]:
    """The losses of the fast mode: of every prompt and seed."""
    instances = instances_of(ledger.study)
    solutions = yield from references(ledger, instances)
    curves = yield from curves_of(ledger, solutions, instances)
    return Losses(curves=curves, tolerance=solutions.tolerance, proof=None, tasted=tuple(instances))
