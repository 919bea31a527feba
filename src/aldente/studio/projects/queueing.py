"""The queue at work: projects put into it, and one worker that draws them in their order until none waits."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError
from aldente.render.batching import Tick
from aldente.store.queue import LEASE_SECONDS, Job, JobState, Progress, Queue
from aldente.studio.projects.opening import Opened, opened_from
from aldente.studio.projects.planning import plan_project
from aldente.studio.projects.producing import Production, produce, report
from aldente.studio.projects.running import Result, check_gates
from aldente.studio.projects.trial import find_choice
from aldente.studio.workbench import Workbench

BEATS = 5
"""Signs of life in the time of a lease: a worker may miss four."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What became of one turn at a job: its state now, and where its report is if it got so far."""

    job: Job
    state: JobState
    note: str
    page: Path | None


def enqueue(queue: Queue, opened: Opened, *, out: Path | None, choice: str | None, priority: int) -> Job:
    """Put a project into the queue. Raises UserError for what would fail before anything is drawn."""
    project = opened.project
    check_gates(project.gates)
    if project.ab is not None and choice is None:
        raise UserError(f"project '{project.name}' has an A/B, and nobody can be asked in a queue; say --choose NAME.")
    if choice is not None:
        find_choice(project.ab, choice)
    spec = {
        "text": opened.text,
        "folder": str(opened.folder.absolute()),
        "small": opened.small,
        "choice": choice,
        "out": str((out or opened.out).absolute()),
    }
    count = len(opened.subjects)
    return queue.add(project.name, {**spec, "subjects": count}, priority=priority)


def work(
    bench: Workbench,
    queue: Queue,
    *,
    listen: Callable[[Job, Result, Progress], None] = lambda *_: None,
    watch: Callable[[Tick], None] | None = None,
    seconds: float = LEASE_SECONDS,
) -> Iterator[Work]:
    """Draw job after job until none waits; what another worker has is left to it."""
    me = owner()
    while (job := queue.claim(me, seconds=seconds, alive=may_live)) is not None:
        yield _turn(bench, queue, job, me, listen, watch, seconds)


def _turn(
    bench: Workbench,
    queue: Queue,
    job: Job,
    me: str,
    listen: Callable[[Job, Result, Progress], None],
    watch: Callable[[Tick], None] | None,
    seconds: float,
) -> Work:
    """One job, as far as it goes; however it ends, the worker lets go of it."""
    pace = _Pace(clock=bench.clock)
    state: JobState = "waiting"
    note, page = "", None
    try:
        with _beating(queue, job, me, pace, seconds) as lost:
            production = _production(bench, job)
            pace.total = len(production.plan.shots)
            for result, _ in produce(bench, production, watch=watch, cancelled=lost):
                pace.count(result)
                listen(job, result, pace.progress())
            page = report(bench, production, command=f"aldente queue resume {job.id[:8]}")
            standing = production.standing()
            if not lost():
                state, note = "finished", _note(standing.missing, len(standing.failed), len(standing.refused))
    except UserError as error:
        state, note = "failed", str(error)
    except Exception as error:
        state, note = "failed", f"{type(error).__name__}: {error}"
        raise
    finally:
        queue.beat(job.id, me, pace.progress(), seconds=seconds)
        queue.settle(job.id, me, state, note)
    now = queue.job(job.id)
    return Work(job=now, state=now.state, note=note, page=page)


def _production(bench: Workbench, job: Job) -> Production:
    """The project of a job, planned. Raises UserError for what cannot be drawn."""
    spec: dict[str, Any] = job.spec
    opened = opened_from(spec["text"], Path(spec["folder"]), small=spec["small"], what=job.name)
    choice = None if spec["choice"] is None else find_choice(opened.project.ab, spec["choice"])
    return Production(plan=plan_project(bench, opened, choice=choice), place=Path(spec["out"]))


def _note(missing: int, failed: int, refused: int) -> str:
    said = [
        f"{missing} not drawn: the budget is spent" if missing else "",
        f"{failed} failed" if failed else "",
        f"{refused} refused by the gates" if refused else "",
    ]
    return "; ".join(filter(None, said))


@dataclass(kw_only=True)
class _Pace:
    """How far a job is and how fast it goes; pictures from the store are done but say nothing of the pace."""

    clock: Callable[[], float]
    total: int = 0
    done: int = 0
    drawn: int = 0
    began: float | None = None
    last: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, result: Result) -> None:
        """One more is done."""
        with self.lock:
            self.done += 1
            self.last = self.clock()
            if self.began is None:
                self.began = self.last
            elif not result.drawn.reused:
                self.drawn += 1

    def progress(self) -> Progress:
        """How far it is, and how long the rest takes at this pace."""
        with self.lock:
            left = None
            if self.drawn and self.began is not None:
                left = (self.last - self.began) / self.drawn * (self.total - self.done)
            return Progress(done=self.done, total=max(self.total, self.done), seconds_left=left)


@contextmanager
def _beating(queue: Queue, job: Job, me: str, pace: _Pace, seconds: float) -> Iterator[Callable[[], bool]]:
    """Show signs of life from a thread of its own; gives what says whether the job is no longer ours to draw."""
    stop, lost = threading.Event(), threading.Event()

    def beat() -> None:
        while not stop.wait(seconds / BEATS / 3):
            # A database that is busy for a moment must not end the job; the next beat tells.
            with suppress(UserError):
                if not queue.beat(job.id, me, pace.progress(), seconds=seconds):
                    lost.set()
                    return

    thread = threading.Thread(target=beat, name="aldente-queue", daemon=True)
    thread.start()
    try:
        yield lost.is_set
    finally:
        stop.set()
        thread.join()


def owner() -> str:
    """Who this process is: machine, process, and when it began, so that a number used again is not taken for it."""
    return f"{_machine()} {os.getpid()} {_began(os.getpid())}"


def may_live(name: str) -> bool:
    """Whether a worker may be alive: not, if it ran on this machine and its process is gone."""
    try:
        machine, process, began = name.rsplit(" ", 2)
        number = int(process)
    except ValueError:
        return True
    if machine != _machine() or not Path("/proc/self/stat").exists():
        return True
    return _began(number) == began


def _machine() -> str:
    space = Path("/proc/self/ns/pid")
    # Containers may share a name, but not the numbers of their processes.
    inside = str(space.readlink()) if space.is_symlink() else ""
    return f"{platform.node()} {inside}".strip()


def _began(process: int) -> str:
    """When a process of this machine began, in the system's ticks; empty where there is none or it cannot be told."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # A process that was killed and not yet waited for is dead all the same.
    return "" if told[0] in ("Z", "X") else told[19]
