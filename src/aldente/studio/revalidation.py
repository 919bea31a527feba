"""Measuring a preset again, cheaply: its steps and the next rung against converged pictures, on a few of its prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from aldente.engine.errors import UserError
from aldente.models.port import Image, Model
from aldente.quality.bounds import loss_bounds
from aldente.quality.reference import jpeg_rmse, rmse
from aldente.recipe.presets import Preset
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.value import Value
from aldente.render.batching import Tick
from aldente.store.port import Store
from aldente.studio.drawing import Order, draw
from aldente.studio.library import result_of, staleness, versions_of
from aldente.studio.presets import keep_preset, with_schedule
from aldente.studio.request import sized
from aldente.studio.workbench import Workbench
from aldente.tuning.convergence import correction, interval, trusted
from aldente.tuning.decision import MULTIPLES
from aldente.tuning.ladder import ladder
from aldente.tuning.result import Goal, Interval, PowerLaw
from aldente.tuning.study import REFERENCE, Pair, Study, recipe_for

PROMPTS = 4
"""How many prompts a preset is measured on again."""

SEED = 1
ALPHA = 0.05


class Revalidation(Value):
    """A preset measured again: the loss at its steps and at the next rung, in JND, beside the tolerance and what it was.

    ``holds``: its mean loss is within tolerance still; ``drifted``: it is not. ``sentence`` says so in numbers, ``renewed``
    that the store now has the preset with the present versions.
    """

    preset: str
    verdict: Literal["holds", "drifted"]
    steps: int
    loss: Interval
    next_steps: int
    next_loss: Interval
    tolerance: float
    was: float | None
    prompts: int
    renewed: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A prompt: its pictures at the steps and at the rung above, and the converged one."""

    prompt: str
    pictures: Sequence[Image]
    converged: Image


def revalidate(bench: Workbench, preset: Preset, model: Model, *, watch: Callable[[Tick], None] | None = None) -> Revalidation:
    """Measure a preset again on up to four of its prompts.

    One that holds on the weights it was measured on is renewed: kept with the present versions. Its CFG is not measured.
    Raises UserError when its prompts are not known.
    """
    study, pair = _question(bench.store, preset, model)
    steps = study.base.sampling.steps
    above = next(rung for rung in ladder(1, 4 * steps + 4) if rung > steps)
    images = _drawn(bench, study, pair, steps, above, watch)
    if not images:
        raise UserError(f"preset '{preset.name}' cannot be measured again: none of its pictures could be drawn.")
    jnd = max(0.5, math.fsum(jpeg_rmse(row.converged) for row in images) / len(images))
    law = _law(bench.store, preset, pair, reference_steps=_reference_steps(above))
    losses = []
    for which, rung in enumerate((steps, above)):
        apart = [rmse(row.pictures[which], row.converged) for row in images]
        found = loss_bounds(apart, [row.prompt for row in images], alpha=ALPHA)
        factor = correction(law, rung) if pair.own_reference or pair == REFERENCE else 1.0
        losses.append(interval(found, ALPHA, factor=factor / jnd))
    return _verdict(bench, preset, model, steps, above, losses[0], losses[1], len(images))


def _question(store: Store, preset: Preset, model: Model) -> tuple[Study, Pair]:
    """The few prompts of a preset under its settings, as a study."""
    base = set_parameters(sized(Recipe(model=model.info.name), model), with_schedule(preset.settings))
    prompts = preset.prompts or _prompts_of(store, preset)
    study = Study(base=base, prompts=prompts[:PROMPTS], seeds=(SEED,))
    return study, Pair(sampler=base.sampling.sampler, schedule=base.sampling.schedule)


def _prompts_of(store: Store, preset: Preset) -> tuple[str, ...]:
    try:
        spec = store.study(preset.study or "").spec
    except UserError:
        raise UserError(
            f"preset '{preset.name}' cannot be measured again: neither it nor the store says its prompts. Tune anew."
        ) from None
    return tuple(spec["prompts"])


def _reference_steps(above: int) -> int:
    return max(56, 3 * above)


def _drawn(
    bench: Workbench, study: Study, pair: Pair, steps: int, above: int, watch: Callable[[Tick], None] | None
) -> list[_Row]:
    """The prompts whose pictures could all be drawn."""
    cfg = study.base.sampling.guidance.scale
    solver = pair if pair.own_reference else REFERENCE
    asked = {
        prompt: [
            recipe_for(study, (prompt, SEED), how, n, cfg)
            for how, n in ((pair, steps), (pair, above), (solver, _reference_steps(above)))
        ]
        for prompt in study.prompts
    }
    every = [recipe for row in asked.values() for recipe in row]
    made = {one.recipe.digest(): one for one in draw(bench, every, Order(), watch=watch) if not one.record.failed}
    rows = []
    for prompt, row in asked.items():
        found = [made.get(recipe.digest()) for recipe in row]
        if all(found):
            *pictures, converged = [one.image for one in found if one is not None]
            rows.append(_Row(prompt=prompt, pictures=pictures, converged=converged))
    return rows


def _law(store: Store, preset: Preset, pair: Pair, *, reference_steps: int) -> PowerLaw:
    """The law of the study's curve against the present reference."""
    result = result_of(store, preset)
    curves = () if result is None else result.curves
    law = next((c.law for c in curves if (c.sampler, c.schedule) == (pair.sampler, pair.schedule)), None)
    return trusted(law, stochastic=pair.own_reference, reference_steps=reference_steps)


def _verdict(
    bench: Workbench, preset: Preset, model: Model, steps: int, above: int, loss: Interval, more: Interval, prompts: int
) -> Revalidation:
    goals: dict[str, Goal] = {goal: goal for goal in MULTIPLES}
    delta = preset.proof.get("tolerance") or MULTIPLES[goals.get(preset.goal, "production")]
    was, holds = preset.proof.get("loss"), loss.mean <= delta
    renewed = holds and preset.model == model.info.fingerprint
    if renewed:
        sampling = set_parameters(Recipe(), with_schedule(preset.settings)).sampling
        keep_preset(bench.store, preset.model_copy(update={"versions": versions_of(model, sampling)}))
    before = "" if was is None else f" (it was {was:.2g})"
    said = f"{steps} steps lose {loss.mean:.2g} JND{before} on {prompts} prompts, {above} steps {more.mean:.2g}"
    said += f"; tolerance {delta:.2g}"
    if holds:
        kept = "renewed" if renewed else "but on other weights than it was measured on: tune again for a preset of these"
        sentence = f"holds: {said}; {kept}."
    else:
        way = f"{above} steps would do" if more.mean <= delta else "the next rung does not do either"
        sentence = f"drifted: {said}; {way}. Tune again."
    return Revalidation(
        preset=preset.name,
        verdict="holds" if holds else "drifted",
        steps=steps,
        loss=loss,
        next_steps=above,
        next_loss=more,
        tolerance=delta,
        was=was,
        prompts=prompts,
        renewed=renewed,
        sentence=sentence,
    )


class Standing(Value):
    """How a measured preset stands: why it may be out of date, and what measuring it again said, if that was asked for."""

    preset: str
    stale: tuple[str, ...]
    again: Revalidation | None = None

    @property
    def fine(self) -> bool:
        """Whether it can be relied on here."""
        return self.again.verdict == "holds" if self.again is not None else not self.stale


def standing_of(
    bench: Workbench, preset: Preset, model: Model, *, again: bool, watch: Callable[[Tick], None] | None = None
) -> Standing:
    """Whether a measured preset is out of date for a model, and if ``again``, what it measures now.

    Learned levels are not measured again: only whether they are out of date is told.
    Raises UserError for folklore.
    """
    if preset.basis != "measured":
        raise UserError(f"preset '{preset.name}' is folklore: nobody measured it, so it cannot go out of date.")
    # Learned levels have no rung above them; their proof is their lesson.
    again = again and "sigmas" not in preset.settings
    stale = staleness(preset, model)
    return Standing(preset=preset.name, stale=stale, again=revalidate(bench, preset, model, watch=watch) if again else None)
