"""Measuring schedules: converged latents drawn once and kept, and the errors of runs against them, in full batches."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.samplers import find_sampler, prepare
from aldente.engine.trajectory import trajectory
from aldente.models.port import Model
from aldente.recipe.recipe import Recipe
from aldente.render.batching import Drive, Job, Limits, Tick
from aldente.render.conditioning import denoiser_of
from aldente.render.levels import levels_of
from aldente.render.noise import noise_of
from aldente.render.render import latent_of
from aldente.store.entries import StudyEntry, StudyRow
from aldente.studio.workbench import Workbench
from aldente.tuning.learning.lesson import Lesson, Sigmas, learnable, recipe_for, teacher_for
from aldente.tuning.learning.search import Ask
from aldente.tuning.learning.shortest import Teacher, can_be_walked, local_errors, shortest_paths

Floats = NDArray[np.float64]
Watch = Callable[[Tick], None]

TEACHERS = "teachers"
"""The kind of study whose rows are converged latents."""

WALKED_LEVELS = 40
"""About as many of the teacher's levels as shortest paths choose from."""

LONGEST_PATH = 24

ID_DIGITS = 32


@dataclass(eq=False)
class Rows:
    """The rows of a study, read once; what is added is in the store before it is used."""

    bench: Workbench
    entry: StudyEntry
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bench.store.save_study(self.entry)
        self._rows = {row.key: row.body for row in self.bench.store.study_rows(self.entry.id)}

    def get(self, key: str) -> dict[str, Any] | None:
        """The body of a row, if there is one."""
        return self._rows.get(key)

    def add(self, bodies: Mapping[str, dict[str, Any]]) -> None:
        """Keep rows."""
        self.bench.store.append_rows(self.entry.id, [StudyRow(key=key, body=body) for key, body in bodies.items()])
        self._rows.update(bodies)


@dataclass(eq=False)
class School:
    """What a lesson is measured with: the model, the converged latents, and the evaluations spent.

    ``asked`` counts every evaluation that runs asked for, ``evaluated`` those that were made: identical ones are shared.
    """

    bench: Workbench
    lesson: Lesson
    model: Model
    teachers: Rows
    results: Rows
    asked: int = 0
    evaluated: float = 0.0
    _ends: dict[str, Latent] = field(default_factory=dict)

    def measure(self, ask: Ask, prompts: Sequence[str], sampler: str, watch: Watch | None = None) -> Floats:
        """What an ask wants, from the store or by running its schedules against the converged latents."""
        key = _digest([ask.wants, sampler, prompts, ask.schedules])
        known = self.results.get(key)
        if known is None:
            self._teach(prompts, watch)
            known = {"found": _found(ask, list(self._errors(ask.schedules, prompts, sampler, watch))).tolist()}
            self.results.add({key: known})
        return np.array(known["found"], dtype=np.float64)

    def shortest(self, prompts: Sequence[str], watch: Watch | None = None) -> Sigmas | None:
        """The levels of the shortest path through the teachers' runs; None where the sampler cannot be walked."""
        info = learnable(self.lesson)
        if not can_be_walked(info) or self.lesson.steps > LONGEST_PATH:
            return None
        key = _digest(["paths", info.name, [teacher_for(self.lesson, prompt).digest() for prompt in prompts]])
        known = self.teachers.get(key)
        if known is None:
            teacher = self._walk(prompts, watch)
            paths = shortest_paths(local_errors(info, teacher), LONGEST_PATH)
            known = {str(n): [teacher.levels[place].sigma for place in path] for n, path in paths.items()}
            self.teachers.add({key: known})
        return tuple(known[str(self.lesson.steps)])

    def _errors(
        self, schedules: Sequence[Sigmas], prompts: Sequence[str], sampler: str, watch: Watch | None
    ) -> Iterator[Floats]:
        """The errors of all schedules, ``schedules numbers``, prompt after prompt."""
        # A prompt's runs stand together: their first evaluations are the same, and so are those of equal beginnings.
        recipes = [recipe_for(self.lesson, prompt, sigmas, sampler) for prompt in prompts for sigmas in schedules]
        latents = self._run([partial(latent_of, recipe, self.model) for recipe in recipes], watch)
        for number, prompt in enumerate(prompts):
            mine = latents[number * len(schedules) : (number + 1) * len(schedules)]
            end = np.asarray(self._ends[prompt], dtype=np.float64)
            yield np.stack([(np.asarray(latent, dtype=np.float64) - end).ravel() for latent in mine])

    def _teach(self, prompts: Sequence[str], watch: Watch | None) -> None:
        """Have the converged latent of every prompt at hand."""
        for prompt in prompts:
            if prompt not in self._ends and (row := self.teachers.get(teacher_for(self.lesson, prompt).digest())):
                self._ends[prompt] = _unpacked(row)
        missing = [prompt for prompt in prompts if prompt not in self._ends]
        recipes = [teacher_for(self.lesson, prompt) for prompt in missing]
        ends = self._run([partial(latent_of, recipe, self.model) for recipe in recipes], watch)
        self._keep(missing, ends)

    def _keep(self, prompts: Sequence[str], ends: Sequence[Latent]) -> None:
        self.teachers.add(
            {teacher_for(self.lesson, prompt).digest(): _packed(end) for prompt, end in zip(prompts, ends, strict=True)}
        )
        self._ends.update(zip(prompts, ends, strict=True))

    def _walk(self, prompts: Sequence[str], watch: Watch | None) -> Teacher:
        """The teachers' runs with all they pass through; their ends are kept as well."""
        recipes = [teacher_for(self.lesson, prompt) for prompt in prompts]
        runs = self._run([partial(_passed, recipe, self.model) for recipe in recipes], watch)
        self._keep(prompts, [end for end, _ in runs])
        count = len(runs[0][1])
        every = max(1, (count - 1) // WALKED_LEVELS)
        places = range(0, count, every)
        return Teacher(
            levels=tuple(runs[0][1][place][0] for place in places),
            latents=tuple(np.concatenate([passed[place][1] for _, passed in runs]) for place in places),
            estimates=tuple(np.concatenate([passed[place][2] for _, passed in runs]) for place in places),
            ends=np.concatenate([end for end, _ in runs]),
        )

    def _run(self, starts: Sequence[Callable[[], Asking[Any]]], watch: Watch | None) -> list[Any]:
        """The results of computations, run together. Raises the first error among them."""
        jobs = (Job(key=number, start=start) for number, start in enumerate(starts))
        limits = Limits(rows=self.model.info.rows)
        results: dict[Any, Any] = {}
        for outcome in Drive(jobs, self.model.estimate, clock=self.bench.clock, limits=limits, watch=watch):
            if outcome.error is not None:
                raise outcome.error
            results[outcome.key] = outcome.result
            self.asked += outcome.usage.asked
            self.evaluated += outcome.usage.evaluated
        return [results[number] for number in range(len(starts))]


def school_of(bench: Workbench, lesson: Lesson) -> School:
    """Where a lesson is taught; its rows and those of its teachers are kept as studies."""
    model = bench.model(lesson.base.model)
    fingerprint = model.info.fingerprint
    teachers = StudyEntry(
        id=_digest([TEACHERS, fingerprint])[:ID_DIGITS], kind=TEACHERS, spec={"model": fingerprint}, created=bench.now()
    )
    spec = {"lesson": lesson.model_dump(mode="json", exclude_none=True), "model": fingerprint}
    results = StudyEntry(id=_digest(spec)[:ID_DIGITS], kind="learn-schedule", spec=spec, created=bench.now())
    return School(bench=bench, lesson=lesson, model=model, teachers=Rows(bench, teachers), results=Rows(bench, results))


def _passed(recipe: Recipe, model: Model) -> Asking[tuple[Latent, list[tuple[Level, Latent, Latent]]]]:
    """A run's latent, and the level, latent and estimate at each of its steps."""
    info, sampling = model.info, recipe.sampling
    levels = levels_of(sampling, info)
    shape = (info.latent_channels, recipe.height // info.latent_scale, recipe.width // info.latent_scale)
    noise = noise_of(recipe.seed, recipe.start, sampling.rng, shape, levels[0])
    passed: list[tuple[Level, Latent, Latent]] = []
    run = prepare(find_sampler(sampling.sampler), levels, noise.churn, {})
    denoise = _noting(denoiser_of(recipe, model, levels), passed)
    end = yield from trajectory(run.sampler, denoise, noise.start, run.levels, noise.step)
    return end, passed


def _noting(denoise: Denoiser, passed: list[tuple[Level, Latent, Latent]]) -> Denoiser:
    def noted(x: Latent, level: Level) -> Asking[Estimate]:
        estimate = yield from denoise(x, level)
        passed.append((level, x, estimate.clean))
        return estimate

    return noted


def _found(ask: Ask, errors: Sequence[Floats]) -> Floats:
    if ask.wants == "overlaps":
        found = np.stack([error @ error.T / error.shape[1] for error in errors])
    else:
        found = np.stack([np.sqrt((error**2).mean(axis=1)) for error in errors])
    if not np.isfinite(found).all():
        raise UserError("a run left the range of numbers (NaN or infinity); lower the CFG scale or ask for more steps.")
    return found


def _packed(latent: Latent) -> dict[str, Any]:
    array = np.ascontiguousarray(latent, dtype="<f4")
    return {"shape": list(array.shape), "float32": base64.b64encode(array.tobytes()).decode("ascii")}


def _unpacked(body: Mapping[str, Any]) -> Latent:
    return np.frombuffer(base64.b64decode(body["float32"]), dtype="<f4").reshape(body["shape"])


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
