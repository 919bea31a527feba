"""What a search asks for, and what it is answered."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeVar

from aldente.tuning.search.measured import Measured
from aldente.tuning.search.space import Place

T = TypeVar("T")


class Trial(NamedTuple):
    """A place and the instances to be measured there."""

    place: Place
    instances: tuple[int, ...]


class Ask(NamedTuple):
    """A place that was proposed, and the place that was measured for it; None where it was ruled out without a picture."""

    number: int
    proposed: Place
    place: Place | None


class Want(NamedTuple):
    """What a search asks for next: pictures, judged against their converged ones where ``converged`` says so.

    ``calls`` are those of the pictures, predicted; ``calls_after`` may follow. ``asks`` are to be kept before.
    """

    phase: str
    trials: tuple[Trial, ...]
    held_out: bool
    converged: bool
    calls: int
    calls_after: int
    asks: tuple[Ask, ...]


class Answer(NamedTuple):
    """What was measured, None for a picture that could not be made; ``calls`` were asked for, converged pictures included."""

    rows: Mapping[tuple[Place, int], Measured | None]
    calls: int


Searching = Generator[Want, Answer, T]
"""A computation that asks for measurements on its way to a ``T``."""
