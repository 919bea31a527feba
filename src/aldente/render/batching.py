"""Many runs, full batches: collect what all live jobs ask, evaluate it in one model call per shape, send the answers back.

Jobs differ freely in sampler, steps, guidance, prompt, tiles or stage. Identical queries are evaluated once, whether they
are asked at the same time or later. Everything that would make a result depend on its company is kept out: a job sees its
own answers and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from aldente.engine.denoise import Asking, Condition, Latent, Query
from aldente.engine.levels import Level

Estimator = Callable[[Latent, Sequence[Level], Sequence[Condition]], Latent]
"""The model: estimates of x0 for the rows of ``x`` (b c h w), each at its own level and condition."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A picture to be made: ``start`` begins its computation when the driver has room for it.

    ``part`` says which part of the job is asking, where its cost is to be told by part. ``paid`` hears of the seconds of model
    time that are spent on it.
    """

    key: Hashable
    start: Callable[[], Asking[Any]]
    part: Callable[[], Hashable] | None = None
    paid: Callable[[float], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a job cost: rows it asked for, rows evaluated for it (shared ones counted in parts), seconds of model time."""

    asked: int
    evaluated: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended: its ``result``, or the ``error`` that its computation raised; its cost in all and by part."""

    key: Hashable
    result: Any
    error: Exception | None
    usage: Usage
    parts: Mapping[Hashable, Usage] = field(default_factory=dict)


class Tick(NamedTuple):
    """Progress after one model call: rows evaluated and answered by sharing so far, jobs finished and live."""

    calls: int
    evaluated: int
    shared: int
    finished: int
    live: int
    batch: int


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a drive: rows in one model call, jobs alive at a time, bytes of answers kept for sharing."""

    rows: int = 16
    live: int = 48
    shared_bytes: int = 64 << 20


@dataclass(eq=False, slots=True)
class _Spent:
    """What a part of a job has cost so far."""

    asked: int = 0
    evaluated: float = 0.0
    seconds: float = 0.0

    def usage(self) -> Usage:
        return Usage(asked=self.asked, evaluated=self.evaluated, seconds=self.seconds)


@dataclass(eq=False, slots=True)
class _Live:
    """A started job, what it waits for, and what its parts have cost; ``spent`` is the account of the part at work."""

    job: Job
    asking: Asking[Any]
    answers: list[Latent | None] = field(default_factory=list)
    missing: int = 0
    spent: _Spent = field(default_factory=_Spent)
    parts: dict[Hashable, _Spent] = field(default_factory=dict)

    def charge(self) -> None:
        """Note which part asks from now on."""
        self.spent = self.parts.setdefault(None if self.job.part is None else self.job.part(), _Spent())

    def usage(self) -> Usage:
        parts = self.parts.values()
        return Usage(
            asked=sum(part.asked for part in parts),
            evaluated=sum(part.evaluated for part in parts),
            seconds=sum(part.seconds for part in parts),
        )


@dataclass(eq=False, slots=True)
class _Pending:
    """A query that somebody waits for."""

    query: Query
    rows: int
    waiters: list[tuple[_Live, int]]


def _nbytes(array: Latent) -> int:
    return int(array.nbytes) if hasattr(array, "nbytes") else int(array.size) * 8


class _Answers:
    """The most recent answers, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: OrderedDict[_Identity, Latent] = OrderedDict()

    def get(self, identity: _Identity) -> Latent | None:
        return self._kept.get(identity)

    def keep(self, identity: _Identity, answer: Latent) -> None:
        self._kept[identity] = answer
        self._bytes += _nbytes(answer)
        while self._bytes > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _nbytes(dropped)


class _Identity:
    """What makes two queries the same: level, condition and every number of ``x``.

    The hash looks at two numbers only, so that telling different queries apart costs next to nothing. Arrays of other
    libraries than NumPy are told apart by object, which can only miss a saving.
    """

    __slots__ = ("_hash", "_query")

    def __init__(self, query: Query) -> None:
        x = query.x
        content = (x.item(0), x.item(-1)) if isinstance(x, np.ndarray) else id(x)
        self._query = query
        self._hash = hash((content, query.level, query.condition))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Identity):
            return False
        (x, level, condition), (y, *same) = self._query, other._query
        return [level, condition] == same and (x is y or _equal(x, y))


def _equal(x: Latent, y: Latent) -> bool:
    """Whether two arrays are alike to the last bit; only NumPy's are looked into."""
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
        return False
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()


class Drive:
    """One run of the driver over ``jobs``; iterate it to receive the outcomes as they come.

    ``watch`` is told after every model call; when ``cancelled`` answers True, no further call is made and the
    unfinished jobs are closed without an outcome. ``clock`` gives seconds.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        estimate: Estimator,
        *,
        clock: Callable[[], float],
        limits: Limits = Limits(),
        watch: Callable[[Tick], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._jobs = iter(jobs)
        self._estimate = estimate
        self._clock = clock
        self._limits = limits
        self._watch = watch
        self._cancelled = cancelled
        self._live: set[_Live] = set()
        self._pending: dict[Hashable, OrderedDict[_Identity, _Pending]] = {}
        self._answers = _Answers(limits.shared_bytes)
        self._outcomes: deque[Outcome] = deque()
        self._calls = self._evaluated = self._shared = self._finished = 0
        self._more = True

    def __iter__(self) -> Iterator[Outcome]:
        try:
            while True:
                self._admit()
                yield from self._drain()
                if not self._pending or (self._cancelled is not None and self._cancelled()):
                    return
                batch = self._evaluate()
                if self._watch is not None:
                    self._watch(Tick(self._calls, self._evaluated, self._shared, self._finished, len(self._live), batch))
                yield from self._drain()
        finally:
            for live in self._live:
                live.asking.close()

    def _drain(self) -> Iterator[Outcome]:
        while self._outcomes:
            yield self._outcomes.popleft()

    def _admit(self) -> None:
        """Begin jobs until there is a full batch to ask: those begun first end first, and a run that is stopped has them."""
        while self._more and len(self._live) < self._limits.live and not self._full():
            job = next(self._jobs, None)
            if job is None:
                self._more = False
                return
            live = _Live(job, job.start())
            self._live.add(live)
            self._resume([live])

    def _full(self) -> bool:
        return any(sum(pending.rows for pending in group.values()) >= self._limits.rows for group in self._pending.values())

    def _resume(self, ready: list[_Live]) -> None:
        """Let jobs whose answers are all there go on, until each waits for the model or has ended."""
        while ready:
            live = ready.pop()
            try:
                queries = live.asking.send(live.answers if live.answers else None)  # type: ignore[arg-type]
            except StopIteration as stop:
                self._end(live, stop.value, None)
            except Exception as error:
                self._end(live, None, error)
            else:
                if self._ask(live, queries):
                    ready.append(live)

    def _end(self, live: _Live, result: Any, error: Exception | None) -> None:
        self._live.discard(live)
        self._finished += 1
        parts = {part: spent.usage() for part, spent in live.parts.items()}
        self._outcomes.append(Outcome(key=live.job.key, result=result, error=error, usage=live.usage(), parts=parts))

    def _ask(self, live: _Live, queries: list[Query]) -> bool:
        """Note what ``live`` waits for; True if every answer was known already."""
        live.answers = [None] * len(queries)
        live.missing = 0
        live.charge()
        for index, query in enumerate(queries):
            rows = query.x.shape[0]
            live.spent.asked += rows
            identity = _Identity(query)
            known = self._answers.get(identity)
            if known is not None:
                live.answers[index] = known
                self._shared += rows
                continue
            live.missing += 1
            kind = (query.x.shape[1:], query.x.dtype)
            group = self._pending.get(kind)
            if group is None:
                group = self._pending[kind] = OrderedDict()
            pending = group.get(identity)
            if pending is None:
                group[identity] = _Pending(query, rows, [(live, index)])
            else:
                pending.waiters.append((live, index))
                self._shared += rows
        return live.missing == 0

    def _take(self) -> list[tuple[_Identity, _Pending]]:
        """The next batch: the oldest queries of the shape that most rows wait in, at least one query."""
        shape, group = max(self._pending.items(), key=lambda item: len(item[1]))
        batch: list[tuple[_Identity, _Pending]] = []
        rows = 0
        while group:
            identity, pending = next(iter(group.items()))
            if batch and rows + pending.rows > self._limits.rows:
                break
            batch.append((identity, group.pop(identity)))
            rows += pending.rows
        if not group:
            del self._pending[shape]
        return batch

    def _evaluate(self) -> int:
        """One model call, its answers handed out; the rows it held."""
        batch = self._take()
        queries = [pending.query for _, pending in batch]
        xp = array_namespace(queries[0].x)
        x = queries[0].x if len(queries) == 1 else xp.concat([query.x for query in queries], axis=0)
        levels = [pending.query.level for _, pending in batch for _ in range(pending.rows)]
        conditions = [pending.query.condition for _, pending in batch for _ in range(pending.rows)]
        started = self._clock()
        estimates = self._estimate(x, levels, conditions)
        seconds = self._clock() - started
        self._calls += 1
        self._evaluated += len(levels)
        self._hand_out(batch, estimates, seconds / len(levels))
        return len(levels)

    def _hand_out(self, batch: list[tuple[_Identity, _Pending]], estimates: Latent, seconds_per_row: float) -> None:
        ready: list[_Live] = []
        start = 0
        for identity, pending in batch:
            # A view: the rows of a batch are kept, and dropped, together.
            answer = estimates[start : start + pending.rows, ...]
            start += pending.rows
            self._answers.keep(identity, answer)
            part = pending.rows / len(pending.waiters)
            for live, index in pending.waiters:
                live.answers[index] = answer
                live.missing -= 1
                live.spent.evaluated += part
                live.spent.seconds += part * seconds_per_row
                if live.job.paid is not None:
                    live.job.paid(part * seconds_per_row)
                if live.missing == 0:
                    ready.append(live)
        ready.reverse()
        self._resume(ready)
