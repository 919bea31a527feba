"""Drawing a project: batch by batch, each picture judged by the gates, what is rejected drawn again, within the budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aldente.engine.errors import unknown
from aldente.models.port import Image
from aldente.quality.metric import Sign
from aldente.quality.table import SIGNS
from aldente.recipe.project import Budget, Gate
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Tick
from aldente.store.entries import StudyEntry, StudyRow
from aldente.store.record import Score
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.forecast import count_calls
from aldente.studio.projects.planning import ProjectPlan, Shot
from aldente.studio.workbench import Workbench

KIND = "project"
"""The kind of study under which projects are in the store."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A picture that a gate did not let through, and why; it stays in the store."""

    drawn: Drawn
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a shot: the last picture drawn of it, the gates that even that one failed, and those before it."""

    shot: Shot
    drawn: Drawn
    attempt: int
    reasons: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    beside: tuple[Drawn, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether there is a picture that passed all gates."""
        return not self.drawn.record.failed and not self.reasons

    @property
    def every(self) -> tuple[Drawn, ...]:
        """Everything that was drawn for it: itself, what was rejected, and what the gates compared with."""
        return (self.drawn, *(one.drawn for one in self.rejected), *self.beside)


@dataclass(frozen=True, kw_only=True)
class _Try:
    shot: Shot
    attempt: int = 0
    rejected: tuple[Rejected, ...] = ()
    beside: tuple[Drawn, ...] = ()


def check_gates(gates: Sequence[Gate]) -> None:
    """Raise UserError, with the nearest known sign, for a gate on a sign that there is not."""
    known = {sign.name: sign for sign in SIGNS}
    for gate in gates:
        if gate.sign not in known:
            raise unknown("sign", gate.sign, known)


def run_project(
    bench: Workbench,
    plan: ProjectPlan,
    *,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """Every shot's result, as batches are over; what the store has is taken from it, so that a run that broke off goes on.

    Ends early when ``cancelled`` or when the budget is spent; what is missing then has no result.
    Raises UserError for gates on unknown signs.
    """
    project = plan.project
    check_gates(project.gates)
    bench.store.save_study(StudyEntry(id=plan.study, kind=KIND, spec=_spec(plan)))
    order = Order(study=plan.study, preset=project.project.preset)
    purse = _Purse(bench, project.budget)
    waiting = deque(_Try(shot=shot) for shot in plan.shots)
    missing = len(plan.shots)
    while waiting and not (cancelled and cancelled()):
        batch = purse.affordable([waiting.popleft() for _ in range(min(project.project.batch, len(waiting)))], plan)
        if not batch:
            return
        judged = [(one, _beside(one, plan)) for one in batch]
        wanted = [recipe for one, others in judged for recipe in (_recipe(one, plan), *others.values())]
        drawn = {one.recipe.digest(): one for one in draw(bench, wanted, order, watch=watch, cancelled=cancelled)}
        purse.pay(drawn.values())
        rows: list[StudyRow] = []
        results: list[Result] = []
        again: list[_Try] = []
        for one, others in judged:
            found = _judged(bench, plan, one, others, drawn)
            if found is None:
                continue
            rows.append(_row(found))
            if found.reasons and found.attempt < project.seeds.redraws:
                rejected = (*one.rejected, Rejected(drawn=found.drawn, reasons=found.reasons))
                again.append(replace(one, attempt=one.attempt + 1, rejected=rejected, beside=found.beside))
            else:
                results.append(found)
        waiting.extendleft(reversed(again))
        bench.store.append_rows(plan.study, rows)
        missing -= len(results)
        yield from results
    if not missing:
        bench.store.save_study(StudyEntry(id=plan.study, kind=KIND, spec=_spec(plan), state="finished", finished=bench.now()))


def _recipe(one: _Try, plan: ProjectPlan) -> Recipe:
    return one.shot.again(one.attempt, plan.span)


def _beside(one: _Try, plan: ProjectPlan) -> dict[int, Recipe]:
    """What the gates compare a picture with, by the gate's place: its recipe at other settings."""
    recipe = _recipe(one, plan)
    return {i: set_parameters(recipe, dict(gate.than)) for i, gate in enumerate(plan.project.gates) if gate.than}


def _judged(
    bench: Workbench, plan: ProjectPlan, one: _Try, others: Mapping[int, Recipe], drawn: Mapping[str, Drawn]
) -> Result | None:
    """The result of a try; None where it, or what it is compared with, is not drawn because the run was stopped."""
    mine = drawn.get(_recipe(one, plan).digest())
    beside = {i: drawn.get(recipe.digest()) for i, recipe in others.items()}
    if mine is None or None in beside.values():
        return None
    there = {i: picture for i, picture in beside.items() if picture is not None}
    reasons: tuple[str, ...] = ()
    if not mine.record.failed:
        gates = enumerate(plan.project.gates)
        reasons = tuple(why for i, gate in gates if (why := _refused(bench, gate, mine, there.get(i))))
    compared = (*one.beside, *there.values())
    return Result(shot=one.shot, drawn=mine, attempt=one.attempt, reasons=reasons, rejected=one.rejected, beside=compared)


def _refused(bench: Workbench, gate: Gate, drawn: Drawn, other: Drawn | None) -> str:
    """Why a gate does not let a picture through; empty where it does."""
    sign = next(sign for sign in SIGNS if sign.name == gate.sign)
    value = _sign(bench, sign, drawn)
    what = sign.title
    if other is not None:
        if other.record.failed:
            return f"{what}: the picture to compare with failed: {other.record.failed}"
        value -= _sign(bench, sign, other)
        what += " above " + ", ".join(f"{name} {setting}" for name, setting in gate.than.items())
    unit = f" {sign.unit}" if sign.unit else ""
    if gate.at_most is not None and value > gate.at_most:
        return f"{what} is {value:.3g}{unit}, at most {gate.at_most:g}"
    if gate.at_least is not None and value < gate.at_least:
        return f"{what} is {value:.3g}{unit}, at least {gate.at_least:g}"
    return ""


def _sign(bench: Workbench, sign: Sign, drawn: Drawn) -> float:
    """What a sign says of a picture, from the store if it was asked before."""
    version = str(sign.version)
    for score in drawn.record.quality:
        if score.metric == sign.name and score.version == version:
            return score.value
    image: Image = drawn.image
    value = float(sign.compute(image))
    bench.store.add_scores(drawn.record.id, [Score(metric=sign.name, version=version, value=value)])
    return value


def _row(found: Result) -> StudyRow:
    """What the store remembers of a try, so that a picture leads to its project even where another project drew it first."""
    body = {
        "number": found.shot.number,
        "attempt": found.attempt,
        "record": found.drawn.record.id,
        "seed": found.drawn.recipe.seed,
        "reasons": list(found.reasons),
    }
    return StudyRow(key=f"{found.shot.number}.{found.attempt}", body=body)


def _spec(plan: ProjectPlan) -> dict[str, object]:
    return {
        "name": plan.project.name,
        "text": plan.opened.text,
        "small": plan.opened.small,
        "choice": plan.choice,
        "pictures": len(plan.shots),
    }


class _Purse:
    """What a project has spent, of what it may; pictures from the store count as what they once cost."""

    def __init__(self, bench: Workbench, budget: Budget) -> None:
        self._bench = bench
        self._budget = budget
        self._calls = 0
        self._seconds = 0.0
        self._paid: set[str] = set()

    def affordable(self, batch: list[_Try], plan: ProjectPlan) -> list[_Try]:
        """As many of a batch, from the first on, as the budget allows."""
        if self._budget.calls is None and self._budget.seconds is None:
            return batch
        calls = self._calls
        afforded: list[_Try] = []
        each = self._seconds / len(self._paid) if self._paid else 0.0
        for one in batch:
            recipes = [_recipe(one, plan), *_beside(one, plan).values()]
            calls += sum(count_calls(recipe, self._bench.model(recipe.model)) for recipe in recipes)
            seconds = self._seconds + each * (len(afforded) + 1)
            if calls > (self._budget.calls or calls) or seconds > (self._budget.seconds or seconds):
                break
            afforded.append(one)
        return afforded

    def pay(self, drawn: Iterable[Drawn]) -> None:
        """Count what was drawn, each picture once."""
        for one in drawn:
            if one.record.id not in self._paid:
                self._paid.add(one.record.id)
                self._calls += one.record.cost.model_calls
                self._seconds += one.record.cost.seconds
