"""``aldente queue``: projects that wait, and who draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aldente.engine.errors import UserError, unknown
from aldente.interface.console import emit, say, table, tell
from aldente.store.queue import OPEN, Job, Progress, open_queue
from aldente.store.sql_queue import SqlQueue

VERBS = ("add", "list", "work", "pause", "resume", "move", "cancel")


def command(
    verb: Annotated[str, typer.Argument(help=f"One of: {', '.join(VERBS)}.")],
    what: Annotated[str | None, typer.Argument(help="For add: a project. Else: a job by the beginning of its id.")] = None,
    priority: Annotated[int, typer.Option("--priority", help="For add: the higher, the sooner.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="For add: the folder for pictures and report.")] = None,
    small: Annotated[bool, typer.Option("--small", help="For add: as the project's table 'small' says.")] = False,
    choose: Annotated[str | None, typer.Option("--choose", help="For add: the choice of the project's A/B.")] = None,
    first: Annotated[bool, typer.Option("--first", help="For move: before all others.")] = False,
    before: Annotated[str | None, typer.Option("--before", help="For move: before this job.")] = None,
    every: Annotated[bool, typer.Option("--all", help="For list: also those that are over.")] = False,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Keep projects in a queue that survives everything, and draw them: add, list, work, pause, resume, move, cancel."""
    if verb not in VERBS:
        raise unknown("verb of the queue", verb, VERBS)
    with open_queue(store) as queue:
        if verb == "list":
            _list(queue, every=every, as_json=as_json)
        elif verb == "work":
            _work(queue, store, as_json=as_json)
        elif verb == "add":
            _add(queue, _named(verb, what), out, choose, priority, small=small, as_json=as_json)
        else:
            job = _changed(queue, verb, _named(verb, what), before, first=first)
            emit(_facts(job)) if as_json else say(f"{job.id[:8]}  {job.name}: {job.state}")


def _named(verb: str, what: str | None) -> str:
    if what is None:
        example = "project.toml" if verb == "add" else "1a2b"
        raise UserError(f"'queue {verb}' needs to know which: aldente queue {verb} {example}.")
    return what


def _changed(queue: SqlQueue, verb: str, what: str, before: str | None, *, first: bool) -> Job:
    if verb == "move":
        if first == (before is not None):
            raise UserError("say where to: --first, or --before with another job's id.")
        return queue.move(what, before=before)
    return {"pause": queue.pause, "resume": queue.resume, "cancel": queue.cancel}[verb](what)


def _add(
    queue: SqlQueue, what: str, out: Path | None, choose: str | None, priority: int, *, small: bool, as_json: bool
) -> None:
    from aldente.studio.projects.opening import open_project  # noqa: PLC0415  # not for listing what waits
    from aldente.studio.projects.queueing import enqueue  # noqa: PLC0415

    job = enqueue(queue, open_project(what, small=small), out=out, choice=choose, priority=priority)
    if as_json:
        emit(_facts(job))
    else:
        say(f"{job.id[:8]}  {job.name}: waiting. 'aldente queue work' draws what waits.")


def _list(queue: SqlQueue, *, every: bool, as_json: bool) -> None:
    jobs = queue.jobs(states=(*OPEN, "finished", "failed", "cancelled") if every else OPEN)
    if as_json:
        emit([_facts(job) for job in jobs])
    elif not jobs:
        say("Nothing waits. 'aldente queue add project.toml' puts a project into the queue.")
    else:
        table(("id", "project", "state", "priority", "pictures", "left", "note"), [_row(job) for job in jobs])


def _row(job: Job) -> tuple[str, ...]:
    from aldente.studio.forecast import duration  # noqa: PLC0415

    left = "" if job.seconds_left is None or job.state != "running" else f"about {duration(job.seconds_left)}"
    done = f"{job.done} of {job.total}" if job.total else ""
    return (job.id[:8], job.name, job.state, str(job.priority), done, left, job.note)


def _facts(job: Job) -> dict[str, object]:
    return job.model_dump(mode="json", exclude={"spec"}) | {"out": job.spec.get("out")}


def _work(queue: SqlQueue, store: str | None, *, as_json: bool) -> None:
    """Draw what waits; exit code 1 where a job failed, 130 when stopped."""
    from aldente.studio.forecast import duration  # noqa: PLC0415
    from aldente.studio.projects.queueing import work  # noqa: PLC0415
    from aldente.studio.projects.running import Result  # noqa: PLC0415
    from aldente.studio.workbench import open_workbench  # noqa: PLC0415

    def listen(job: Job, result: Result, progress: Progress) -> None:
        left = "" if progress.seconds_left is None else f", about {duration(progress.seconds_left)} left"
        how = "failed" if result.drawn.record.failed else "rejected" if result.reasons else "done"
        if not as_json:
            say(f"{job.id[:8]}  {progress.done}/{progress.total} {result.shot.subject.label}: {how}{left}")

    ended = []
    try:
        for one in work(open_workbench(store), queue, listen=listen):
            ended.append(one)
            if not as_json:
                say(f"{one.job.id[:8]}  {one.job.name}: {one.state}{f' ({one.note})' if one.note else ''}")
                say(f"page:  {one.page}" if one.page else "")
    except KeyboardInterrupt:
        tell("stopped; 'aldente queue work' goes on.")
        raise typer.Exit(130) from None
    if as_json:
        emit([_facts(one.job) | {"page": None if one.page is None else str(one.page)} for one in ended])
    elif others := [job for job in queue.jobs() if job.state == "running"]:
        tell(f"{len(others)} jobs are drawn by other workers.")
    if any(one.state == "failed" for one in ended):
        raise typer.Exit(1)
