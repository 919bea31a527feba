"""What people see while and after a command runs: progress with the time left, plain lines, or JSON for programs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aldente.render.batching import Tick

if TYPE_CHECKING:
    from rich.progress import Progress

    from aldente.render.scene import TileNote
    from aldente.studio.drawing import Drawn

    Draw = Callable[["Watch | None", Callable[[], bool] | None], Iterable[Drawn]]
    """Draws pictures, telling of each model call, until the second answers True."""

Watch = Callable[[Tick], None]


class Bar:
    """A bar over model calls, moved by the driver's ticks; in pictures of many tiles it also says which one it is at."""

    def __init__(self, shown: Progress, what: str, calls: int) -> None:
        self._shown, self._what, self._calls = shown, what, calls
        self._task = shown.add_task(what, total=max(calls, 1))

    def __call__(self, tick: Tick) -> None:
        """Show how many calls are done."""
        self._shown.update(self._task, completed=min(tick.evaluated + tick.shared, self._calls))

    def note(self, note: TileNote) -> None:
        """Show how many tiles are done."""
        self._shown.update(self._task, description=f"{self._what}: {where(note)}")


def where(note: TileNote) -> str:
    """How far a picture of tiles is, for people."""
    of_all = "" if note.turns is None else f" of {note.turns}"
    return f"tile {note.done} of {note.total}, turn {note.turn + 1}{of_all}"


def say(text: str) -> None:
    """A line for people, where results go."""
    print(text)  # noqa: T201


def tell(text: str) -> None:
    """A line about the run itself, kept apart from results."""
    print(text, file=sys.stderr)  # noqa: T201


def emit(facts: Any) -> None:
    """Facts for programs: one JSON document."""
    print(json.dumps(facts, ensure_ascii=False, indent=2))  # noqa: T201


@contextmanager
def progress(what: str, calls: int, *, quiet: bool) -> Iterator[Bar | None]:
    """A bar over ``calls`` model calls with the time left; the driver's ticks move it. Nothing when ``quiet``."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("calls,"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield Bar(shown, what, calls)


def gathered(draw: Draw, calls: int, *, quiet: bool) -> tuple[dict[str, Drawn], bool]:
    """What ``draw`` makes, by recipe digest, under a bar of ``calls``; and whether the user stopped it before its end."""
    drawn: dict[str, Drawn] = {}
    try:
        with progress("drawing", calls, quiet=quiet) as watch:
            for one in draw(watch, None):
                drawn[one.recipe.digest()] = one
    except KeyboardInterrupt:
        # Ctrl-C may have come between the keeping of a picture and the telling of it.
        return {one.recipe.digest(): one for one in draw(None, lambda: True)}, True
    return drawn, False


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table for people, as wide as it needs to be."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*row)
    # A pipe has no width of its own: nothing is folded for it.
    Console(width=None if sys.stdout.isatty() else 300).print(shown)


def command_line() -> str:
    """The line that was typed, for repeating it."""
    return shlex.join(["aldente", *sys.argv[1:]])
