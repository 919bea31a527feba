"""Progress of a study: one bar over all model calls, and which phase it is in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from aldente.render.batching import Tick
from aldente.tuning.study import Need

PHASES = {
    "references": "converged pictures",
    "steps": "step counts",
    "cfg": "CFG scales",
    "confirmation": "confirmation",
}


class StudyProgress:
    """A bar that is told of each need of a study; what is reused from the store counts as done."""

    def __init__(self, calls: int, *, quiet: bool) -> None:
        self._calls = calls
        self._shown = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._before = 0
        self._need: Need | None = None

    def __enter__(self) -> Callable[[Need], Callable[[Tick], None] | None]:
        if self._shown:
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.__enter__()
            self._task = self._bar.add_task("starting", total=self._calls)
        return self._listen

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def _listen(self, need: Need) -> Callable[[Tick], None] | None:
        self._before += 0 if self._need is None else self._need.calls
        self._need = need
        if self._bar is None:
            return None
        total = self._before + need.calls + need.calls_after
        self._bar.update(self._task, description=PHASES.get(need.phase, need.phase), completed=self._before, total=total)
        return self._watch

    def _watch(self, tick: Tick) -> None:
        done = tick.evaluated + tick.shared
        self._bar.update(self._task, completed=self._before + min(done, self._need.calls if self._need else done))
