"""Carrying out a lesson: the protocol says what to measure, the school measures it, an accepted schedule becomes a preset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import aldente
from aldente.engine.errors import UserError
from aldente.recipe.presets import Plain, Preset
from aldente.recipe.settings import set_parameters
from aldente.recipe.sigmas import sigmas_text
from aldente.render.batching import Tick
from aldente.studio.library import versions_of
from aldente.studio.presets import keep_preset
from aldente.studio.teaching import School, school_of
from aldente.studio.workbench import Workbench
from aldente.tuning.learning.lesson import Lesson, calls_of, learnable
from aldente.tuning.learning.protocol import Measure, learn
from aldente.tuning.learning.result import Learned
from aldente.tuning.learning.search import Floats

FEWEST_PROMPTS = 6
"""So many at least are needed to split them into those to learn from and those to judge by."""

Listener = Callable[[str], Callable[[Tick], None] | None]
"""Told of each thing a lesson does next; what it returns watches the evaluations."""


@dataclass(frozen=True, kw_only=True)
class LessonRun:
    """A finished lesson; ``preset`` is None where the schedule was not accepted.

    ``asked`` and ``evaluated`` count this run's own evaluations, the teachers' included: what the store had cost nothing.
    """

    id: str
    lesson: Lesson
    result: Learned
    preset: Preset | None
    asked: int
    evaluated: float
    seconds: float


def learn_schedule(bench: Workbench, lesson: Lesson, *, preset_name: str, listen: Listener) -> LessonRun:
    """Carry out a lesson; interrupted, it goes on from what is in the store.

    Raises UserError when there is nothing to learn, or the budget does not reach.
    """
    learnable(lesson)
    started = bench.clock()
    school = school_of(bench, lesson)
    path = school.shortest(lesson.prompts, listen("converged latents"))
    protocol = learn(lesson, school.model.info, path)
    try:
        need = next(protocol)
        while True:
            need = protocol.send(_measured(school, need, listen))
    except StopIteration as stop:
        result: Learned = stop.value
    bench.store.save_study(school.results.entry.model_copy(update={"state": "finished", "finished": bench.now()}))
    preset = preset_of(bench, school, result, preset_name) if result.accepted else None
    if preset is not None:
        keep_preset(bench.store, preset)
    return LessonRun(
        id=school.results.entry.id,
        lesson=lesson,
        result=result,
        preset=preset,
        asked=school.asked,
        evaluated=school.evaluated,
        seconds=bench.clock() - started,
    )


def _measured(school: School, need: Measure, listen: Listener) -> Floats:
    prompts = school.lesson.prompts if need.on == "prompts" else school.lesson.held_out_prompts
    return school.measure(need.ask, prompts, need.sampler, listen(need.phase))


def preset_of(bench: Workbench, school: School, result: Learned, name: str) -> Preset:
    """The accepted schedule as a preset that names its proof and says when it is out of date."""
    lesson, best = school.lesson, result.best_rival
    settings: dict[str, Plain] = {
        "sampler": result.sampler,
        "schedule": "custom",
        "steps": result.steps,
        "sigmas": sigmas_text(result.sigmas),
        "cfg": result.cfg,
    }
    return Preset(
        name=name,
        summary=f"learned levels: {result.loss:.3g} from the converged latent, {best.name} {best.loss:.3g}",
        basis="measured",
        source=(
            f"lesson {school.results.entry.id}: learned on {len(lesson.prompts)} prompts,"
            f" compared with {len(result.rivals)} schedules on {len(lesson.held_out_prompts)} others"
        ),
        settings=settings,
        study=school.results.entry.id,
        model=school.model.info.fingerprint,
        confidence=1.0 - lesson.alpha,
        versions=versions_of(school.model, set_parameters(lesson.base, settings).sampling),
        cost={"calls": float(calls_of(lesson, result.sigmas))},
        created=bench.now(),
        stale_when=(
            "the model's weights change",
            "CFG changes",
            f"the sampler changes (made by aldente {aldente.__version__})",
        ),
    )


def split_prompts(prompts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The prompts to learn from and every second one to judge by. Raises UserError when they are too few."""
    if len(prompts) < FEWEST_PROMPTS:
        raise UserError(
            f"{len(prompts)} prompts are too few to learn from some and judge by others;"
            f" give {FEWEST_PROMPTS} or more, or the others with --held-out."
        )
    return prompts[0::2], prompts[1::2]
