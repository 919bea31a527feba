"""What a lesson found, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from aldente.recipe.names import combined_title
from aldente.tuning.learning.lesson import Lesson
from aldente.tuning.learning.result import Learned, Rival


def sentences(lesson: Lesson, result: Learned) -> tuple[str, ...]:
    """The verdict first, then what it rests on."""
    return tuple(_said(lesson, result))


def _said(lesson: Lesson, result: Learned) -> Iterator[str]:
    best, count = result.best_rival, len(lesson.held_out_prompts)
    what = f"{result.steps} steps of {combined_title(result.sampler)} at CFG {result.cfg:g}"
    if result.accepted:
        yield (
            f"Learned: {what} come within {result.loss:.3g} of the converged latent on {count} held-out prompts;"
            f" the best of {len(result.rivals)} known schedules, {best.name}, comes within {best.loss:.3g}."
        )
        yield f"Better than every one of them with {1 - lesson.alpha:.0%} confidence, prompt by prompt."
    else:
        yield f"Not accepted: {what} are not proven better with the learned levels than with every known schedule."
        unbeaten = sorted((rival for rival in result.rivals if not rival.beaten), key=lambda rival: rival.loss)
        yield f"Keep {unbeaten[0].name}: {_against(unbeaten[0], result)}, on {count} held-out prompts."
    if result.worth_steps is not None:
        yield f"Better than DPM++ 2M Karras in {result.worth_steps} steps with as much confidence."
    if result.path is not None:
        better = "descent" if result.loss < result.path.loss else "shortest path"
        yield (
            f"The shortest path through the teachers' runs comes within {result.path.loss:.3g},"
            f" the descent from {result.started_from} within {result.loss:.3g}: the {better} wins."
        )
    if result.training_loss > 0.0 and result.loss > 1.5 * result.training_loss:
        yield (
            f"On the {len(lesson.prompts)} prompts it learned from the loss is {result.training_loss:.3g}:"
            " more of them would make it hold better elsewhere."
        )
    if result.cut_short:
        yield "The budget ended the search before it stopped gaining."


def _against(rival: Rival, result: Learned) -> str:
    high = "" if rival.excess.high is None else f" (difference {rival.excess.mean:+.2g}, at most {rival.excess.high:+.2g})"
    return f"it comes within {rival.loss:.3g}, the learned levels within {result.loss:.3g}{high}"
