"""What each stage of a job cost: counted as it asks, and timed while it computes by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from aldente.engine.denoise import Asking, Latent

T = TypeVar("T")

DECODE = "decode"
"""The name of what comes after all stages: the latent made a picture."""


@dataclass(frozen=True, kw_only=True)
class StageUsage:
    """What a stage cost, by its place and kind: model calls it asked for, how many were evaluated for it, and seconds.

    ``model_seconds`` is the time of those calls, ``own_seconds`` that of everything else: decoding, encoding, enlarging and
    the samplers' arithmetic, and what an earlier run spent on parts that were taken up. A stage that was kept from another job
    asked as often as if it had run, at no further cost.
    """

    index: int
    stage: str
    asked: int
    evaluated: float = 0.0
    model_seconds: float = 0.0
    own_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """All its seconds."""
        return self.model_seconds + self.own_seconds


class Meter:
    """Which stage of a job is at work, how often each has asked, and how long each has computed by itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.stage = 0
        self.asked: dict[int, int] = {}
        self.own_seconds: dict[int, float] = {}
        self._paid: dict[int, float] = {}

    def pay(self, seconds: float) -> None:
        """Hear that the model was at work for the present stage."""
        self._paid[self.stage] = self._paid.get(self.stage, 0.0) + seconds

    def take_up(self, stage: int, asked: int, seconds: float) -> None:
        """Count what an earlier run spent on a part of a stage that is taken up now."""
        self.asked[stage] = self.asked.get(stage, 0) + asked
        self.own_seconds[stage] = self.own_seconds.get(stage, 0.0) + seconds

    def seconds(self, stage: int) -> float:
        """What a stage has taken so far, its model calls included."""
        return self.own_seconds.get(stage, 0.0) + self._paid.get(stage, 0.0)

    def counted(self, stage: int, asking: Asking[T]) -> Asking[T]:
        """The computation of a stage, counted and timed."""
        self.stage = stage
        self.asked.setdefault(stage, 0)
        answers: list[Latent] | None = None
        while True:
            started = self._clock()
            try:
                queries = asking.send(answers)  # type: ignore[arg-type]
            except StopIteration as stop:
                result: T = stop.value
                return result
            finally:
                self.own_seconds[stage] = self.own_seconds.get(stage, 0.0) + self._clock() - started
            self.asked[stage] += sum(query.x.shape[0] for query in queries)
            answers = yield queries
