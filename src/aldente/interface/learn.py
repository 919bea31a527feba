"""``aldente learn-schedule``: noise levels learned for one model, sampler, CFG and number of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say, table, tell
from aldente.interface.options import Settings, recipe_options
from aldente.recipe.names import combined_title
from aldente.recipe.sigmas import sigmas_text
from aldente.render.batching import Tick
from aldente.studio.files import read_text
from aldente.studio.forecast import duration, seconds_per_row
from aldente.studio.learning import LessonRun, learn_schedule, split_prompts
from aldente.studio.request import resolve
from aldente.studio.tuning import PROMPT_FILE, read_prompts
from aldente.studio.workbench import open_workbench
from aldente.tuning.learning.lesson import Lesson
from aldente.tuning.learning.result import Learned, Rival

STEPS, CFG = 8, 4.0
"""What a lesson is about unless it is said: as few steps as schedules matter at."""

SHOWN = 4
"""So many known schedules are listed."""


@recipe_options
def command(
    prompts: Annotated[Path, typer.Option("--prompts", help="A file with a prompt on each line.")],
    held_out: Annotated[
        Path | None, typer.Option("--held-out", help="A file of other prompts to judge by; every second prompt if not given.")
    ] = None,
    budget: Annotated[int | None, typer.Option("--budget", min=1, help="At most so many model calls, teachers apart.")] = None,
    starts: Annotated[int, typer.Option("--starts", min=1, max=16, help="How many schedules are improved at first.")] = 3,
    teacher_steps: Annotated[
        int, typer.Option("--teacher-steps", min=20, max=1000, help="Steps of the runs that are taken for converged.")
    ] = 120,
    name: Annotated[str | None, typer.Option("--name", help="The preset's name; model, sampler, steps if not given.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Learn the noise levels for a number of steps, and prove them on other prompts."""
    if "schedule" in settings:
        raise UserError("the schedule is what is learned: leave --schedule out.")
    bench = open_workbench(store)
    base = resolve(bench, {"cfg": CFG, "steps": STEPS, "seed": 1, **settings})
    # Every known schedule is a rival, so the one that goes with the sampler has no say.
    base = base.model_copy(update={"prompt": "", "sampling": base.sampling.model_copy(update={"schedule": "karras"})})
    said = _prompts(prompts)
    taught, judged = (said, _prompts(held_out)) if held_out is not None else split_prompts(said)
    lesson = Lesson(
        base=base, prompts=taught, held_out_prompts=judged, teacher_steps=teacher_steps, starts=starts, budget_calls=budget
    )
    sampling = base.sampling
    speed = seconds_per_row(bench, bench.model(base.model), (base.width, base.height))
    tell(
        f"{sampling.steps} steps of {combined_title(sampling.sampler)} at CFG {sampling.guidance.scale:g}:"
        f" {len(taught)} prompts to learn from, {len(judged)} to judge by; {duration(1000 * speed)} for 1000 model calls."
    )
    try:
        run = learn_schedule(
            bench, lesson, preset_name=name or f"{base.model}-{sampling.sampler}-{sampling.steps}", listen=_listener(as_json)
        )
    except KeyboardInterrupt:
        tell("stopped; every measurement is kept. The same command goes on from there.")
        raise typer.Exit(130) from None
    if as_json:
        emit(_facts(run))
    else:
        _print(run)


def _prompts(path: Path) -> tuple[str, ...]:
    return read_prompts(read_text(path, PROMPT_FILE), str(path))


def _listener(quiet: bool) -> Callable[[str], Callable[[Tick], None] | None]:
    said: list[str] = []

    def listen(what: str) -> None:
        if not quiet and what not in said[-1:]:
            said.append(what)
            tell(f"  {what}")

    return listen


def _facts(run: LessonRun) -> dict[str, object]:
    preset = None if run.preset is None else run.preset.model_dump(mode="json", exclude_none=True)
    return {**run.result.model_dump(mode="json"), "preset": preset, "asked": run.asked, "seconds": run.seconds}


def _print(run: LessonRun) -> None:
    result = run.result
    table(("schedule", "steps", "distance", "learned less this, at most", ""), list(_rows(result)))
    say("")
    for sentence in result.sentences:
        say(sentence)
    say("")
    say(f"levels:  {sigmas_text(result.sigmas)}")
    say(f"cost:    {run.asked} model calls now ({run.evaluated:.0f} evaluated), {duration(run.seconds)}")
    if run.preset is not None:
        say(f"preset:  {run.preset.name}   use it: aldente generate 'your prompt' --preset {run.preset.name}")


def _rows(result: Learned) -> list[tuple[str, ...]]:
    known = sorted(result.rivals, key=lambda rival: rival.loss)
    shown = [*known[:SHOWN], *(rival for rival in known[SHOWN:] if rival.name == "karras")]
    rows: list[tuple[str, ...]] = [
        ("learned", str(result.steps), f"{result.loss:.3g}", "", "accepted" if result.accepted else "not accepted")
    ]
    rows += [_row(rival, "") for rival in shown]
    rows += [] if result.path is None else [_row(result.path, "by dynamic programming")]
    return rows + [_row(rival, combined_title(rival.sampler)) for rival in result.ladder]


def _row(rival: Rival, note: str) -> tuple[str, ...]:
    high = "" if rival.excess.high is None else f"{rival.excess.high:+.2g}"
    return (rival.name, str(rival.steps), f"{rival.loss:.3g}", high, note)
