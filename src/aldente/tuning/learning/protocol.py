"""Learning a schedule: a generator that yields what is to be measured and returns what was found.

It is a function of the lesson and of the measurements alone, so going on after a stop is running it again with the
measurements that exist already (as ``tuning/protocol.py``).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aldente.engine.errors import UserError
from aldente.engine.schedules.curves import karras
from aldente.engine.schedules.span import Span
from aldente.models.port import ModelInfo
from aldente.quality.bounds import mean_bounds
from aldente.tuning.convergence import interval
from aldente.tuning.learning.lesson import Lesson, Sigmas, calls_of, known_schedules, learnable, spacing_of
from aldente.tuning.learning.result import Learned, Rival, Start
from aldente.tuning.learning.search import Ask, Descent, Floats
from aldente.tuning.learning.words import sentences
from aldente.tuning.study import REFERENCE

BENDS = (4.0, 7.0, 20.0, 1000.0)
"""Karras's rho over which the coarse map runs; 1000 is even in ln sigma."""

LOWEST = (1.5, 3.0, 6.0)
"""Last levels above 0 over which the coarse map runs, in units of the model's sigma_min."""

TRIAL_ROUNDS = 2
"""How far each start is followed before the best goes on alone."""

LADDER = (1.25, 1.5, 1.75, 2.0)
"""How many times the steps DPM++ 2M Karras is given on the held-out prompts."""

PATH = "shortest path"


class Measure(NamedTuple):
    """What is to be measured next, on which prompts, with which sampler; ``calls`` it asks for, ``calls_after`` may follow."""

    phase: str
    ask: Ask
    on: Literal["prompts", "held-out prompts"]
    sampler: str
    calls: int
    calls_after: int


Learning = Generator[Measure, Floats, Learned]


@dataclass(eq=False)
class _Ledger:
    """What a lesson has spent, and what its end will cost."""

    lesson: Lesson
    confirming: int
    calls: int = 0
    cut_short: bool = field(default=False)

    def affords(self, calls: int) -> bool:
        """Whether so many calls leave enough for the confirmation; if not, that is noted."""
        budget = self.lesson.budget_calls
        fits = budget is None or self.calls + calls + self.confirming <= budget
        self.cut_short = self.cut_short or not fits
        return fits

    def measure(self, phase: str, ask: Ask) -> Generator[Measure, Floats, Floats]:
        """Measure on the prompts that are learned from."""
        calls = cost(self.lesson, ask.schedules, len(self.lesson.prompts))
        self.calls += calls
        return (yield Measure(phase, ask, "prompts", self.lesson.base.sampling.sampler, calls, self.confirming))


def learn(lesson: Lesson, info: ModelInfo, path: Sigmas | None = None) -> Learning:
    """Learn the levels of a lesson; ``path`` is one more schedule to start from and to compare with.

    Raises UserError when the lesson cannot be taught, or its budget does not reach.
    """
    learnable(lesson)
    known = known_schedules(lesson, info)
    ladder = _ladder(lesson, info)
    ledger = _Ledger(lesson, confirming=_confirming(lesson, known, path, ladder))
    tried = {**known, **({} if path is None else {PATH: path}), **_coarse_map(lesson, info)}
    first = cost(lesson, tuple(tried.values()), len(lesson.prompts))
    if not ledger.affords(first):
        raise UserError(
            f"a budget of {lesson.budget_calls} calls is too small: the known schedules alone take {first} calls to try and"
            f" {ledger.confirming} to compare on held-out prompts; give at least {2 * first + ledger.confirming},"
            " or fewer prompts."
        )
    found = yield from ledger.measure("known schedules", Ask(tuple(tried.values()), "lengths"))
    losses = dict(zip(tried, (float(loss) for loss in found.mean(axis=0)), strict=True))
    descents = yield from _descend(ledger, info, {name: tried[name] for name in sorted(tried, key=losses.__getitem__)})
    best = min(descents, key=lambda name: descents[name].loss)
    starts = tuple(
        Start(name=name, loss=losses[name], ended=descents[name].loss if name in descents else None)
        for name in sorted(losses, key=losses.__getitem__)
    )
    learned = descents[best].sigmas
    rivals, shortest, rungs, loss = yield from _confirm(ledger, learned, known, path, ladder)
    result = Learned(
        sampler=lesson.base.sampling.sampler,
        steps=lesson.steps,
        cfg=lesson.base.sampling.guidance.scale,
        sigmas=learned,
        started_from=best,
        training_loss=descents[best].loss,
        loss=loss,
        accepted=all(rival.beaten for rival in rivals),
        rivals=rivals,
        path=shortest,
        ladder=rungs,
        starts=starts,
        rounds=sum(descent.rounds for descent in descents.values()),
        calls=ledger.calls,
        cut_short=ledger.cut_short,
    )
    return result.model_copy(update={"sentences": sentences(lesson, result)})


def cost(lesson: Lesson, schedules: Sequence[Sigmas], prompts: int, *, sampler: str | None = None) -> int:
    """The evaluations that measuring schedules on so many prompts asks for."""
    return prompts * sum(calls_of(lesson, sigmas, sampler) for sigmas in schedules)


def _coarse_map(lesson: Lesson, info: ModelInfo) -> dict[str, Sigmas]:
    """Karras schedules of several bends and last levels: where the basins are that a descent cannot leave."""
    found: dict[str, Sigmas] = {}
    for bend in BENDS:
        for times in LOWEST:
            low = min(times * info.sigma_min, 0.5 * info.sigma_max)
            span = Span(sigma_min=low, sigma_max=info.sigma_max, sigmas=info.sigmas)
            found[f"rho {bend:g} to {low:.3g}"] = karras(span, lesson.steps, rho=bend)[:-1]
    return found


def _ladder(lesson: Lesson, info: ModelInfo) -> tuple[Sigmas, ...]:
    """DPM++ 2M Karras in more steps."""
    counts = dict.fromkeys(round(times * lesson.steps) for times in LADDER)
    span = Span(sigma_min=info.sigma_min, sigma_max=info.sigma_max, sigmas=info.sigmas)
    return tuple(karras(span, count)[:-1] for count in counts)


def _confirming(lesson: Lesson, known: Mapping[str, Sigmas], path: Sigmas | None, ladder: Sequence[Sigmas]) -> int:
    own = [*known.values(), next(iter(known.values())), *([] if path is None else [path])]
    count = len(lesson.held_out_prompts)
    return cost(lesson, own, count) + cost(lesson, ladder, count, sampler=REFERENCE.sampler)


def _descend(ledger: _Ledger, info: ModelInfo, ordered: Mapping[str, Sigmas]) -> Generator[Measure, Floats, dict[str, Descent]]:
    """Follow the best starts a little, then the best of them as far as it leads."""
    spacing = spacing_of(ledger.lesson, info)
    descents: dict[str, Descent] = {}
    for name in list(ordered)[: ledger.lesson.starts]:
        descent = Descent(spacing=spacing, here=spacing.places(ordered[name]))
        yield from _follow(ledger, descent, TRIAL_ROUNDS)
        if math.isfinite(descent.loss):
            descents[name] = descent
    if not descents:
        raise UserError("the budget ends before a single schedule was improved; raise it, or give fewer prompts.")
    best = min(descents.values(), key=lambda descent: descent.loss)
    yield from _follow(ledger, best, None)
    return descents


def _follow(ledger: _Ledger, descent: Descent, rounds: int | None) -> Generator[Measure, Floats, None]:
    while not descent.done and (rounds is None or descent.rounds < rounds):
        ask = descent.ask()
        if not ledger.affords(cost(ledger.lesson, ask.schedules, len(ledger.lesson.prompts))):
            return
        descent.tell((yield from ledger.measure("learning", ask)))


def _confirm(
    ledger: _Ledger, learned: Sigmas, known: Mapping[str, Sigmas], path: Sigmas | None, ladder: Sequence[Sigmas]
) -> Generator[Measure, Floats, tuple[tuple[Rival, ...], Rival | None, tuple[Rival, ...], float]]:
    """The learned schedule and all others on prompts that it was not learned from."""
    lesson = ledger.lesson
    own = {"learned": learned, **known, **({} if path is None else {PATH: path})}
    sampler, count = lesson.base.sampling.sampler, len(lesson.held_out_prompts)
    more = cost(lesson, ladder, count, sampler=REFERENCE.sampler)
    calls = cost(lesson, tuple(own.values()), count)
    found = yield Measure("confirmation", Ask(tuple(own.values()), "lengths"), "held-out prompts", sampler, calls, more)
    rungs = yield Measure("confirmation", Ask(tuple(ladder), "lengths"), "held-out prompts", REFERENCE.sampler, more, 0)
    ledger.calls += calls + more
    ours = found[:, 0]
    rivals = [_rival(lesson, name, sampler, own[name], ours, found[:, i]) for i, name in enumerate(own) if i]
    above = [
        _rival(lesson, REFERENCE.schedule, REFERENCE.sampler, sigmas, ours, rungs[:, i]) for i, sigmas in enumerate(ladder)
    ]
    shortest = next((rival for rival in rivals if rival.name == PATH), None)
    return tuple(rival for rival in rivals if rival.name != PATH), shortest, tuple(above), float(ours.mean())


def _rival(lesson: Lesson, name: str, sampler: str, sigmas: Sigmas, ours: Floats, theirs: Floats) -> Rival:
    """A comparison paired by prompt: every prompt has one picture, so a prompt is a cluster.

    To be better than all is to be better than each: every test may use the whole alpha [Berger 1982].
    """
    prompts = list(range(len(ours)))
    bounds = mean_bounds([float(d) for d in ours - theirs], prompts, alpha=lesson.alpha)
    return Rival(name=name, sampler=sampler, sigmas=sigmas, loss=float(theirs.mean()), excess=interval(bounds, lesson.alpha))
