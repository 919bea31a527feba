"""The search for better places: ask for schedules, be told how their errors overlap, go downhill [Levenberg 1944].

The error of a schedule is a vector (its endpoints less the teacher's), and moving one level by a little changes it almost
linearly. So the vectors of a schedule and of its neighbours with one level moved say where the sum of squares is least,
which takes tens of schedules where a search that sees only their lengths (CMA-ES) takes hundreds. What is told is not the
vectors but their inner products, prompt by prompt: a few numbers, kept easily, and enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.tuning.learning.spacing import Places, Spacing

Floats = NDArray[np.float64]

NUDGE = 0.04
"""How far a level is moved in ln sigma to see what follows from it; never more than .4 of the wider gap beside it."""

DAMPINGS = (0.1, 1.0, 10.0, 100.0)
"""Factors on the damping of the last step, all tried at once."""

FIRST_DAMPING, LARGEST_DAMPING = 0.1, 1e5

ENOUGH = 0.01
"""A round that gains less than this share twice in a row ends a descent."""

FARTHEST = 1.0
"""No level is moved by more than this in ln sigma at once."""


class Ask(NamedTuple):
    """Schedules to be measured on the prompts of the lesson.

    ``lengths`` are root mean square errors, ``prompts schedules``; ``overlaps`` mean inner products of errors,
    ``prompts schedules schedules``.
    """

    schedules: tuple[tuple[float, ...], ...]
    wants: Literal["lengths", "overlaps"]


@dataclass(eq=False)
class Descent:
    """One descent from one schedule: ``ask`` and ``tell`` take turns. A function of its start and of what it is told."""

    spacing: Spacing
    here: Places
    loss: float = np.inf
    rounds: int = 0
    _damping: float = FIRST_DAMPING
    _phase: Literal["look", "move", "done"] = "look"
    _nudges: Floats = field(default_factory=lambda: np.zeros(0))
    _overlaps: Floats = field(default_factory=lambda: np.zeros(0))
    _tried: list[Places] = field(default_factory=list)
    _idle: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing better is near."""
        return self._phase == "done"

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The best schedule so far."""
        return self.spacing.sigmas(self.here)

    def ask(self) -> Ask:
        """What is to be measured next: the schedule with its neighbours, or the schedules that these point to."""
        if self._phase == "move":
            return Ask(tuple(self.spacing.sigmas(places) for places in self._tried), "lengths")
        self._nudges = np.array([self._nudge(index) for index in range(len(self.here))])
        around = [self.here, *(self.here + row for row in np.diag(self._nudges))]
        return Ask(tuple(self.spacing.sigmas(places) for places in around), "overlaps")

    def tell(self, found: Floats) -> None:
        """What came of the last ask."""
        if self._phase == "look":
            self._overlaps = found
            self.loss = float(np.sqrt(np.maximum(found[:, 0, 0], 0.0)).mean())
            self._point()
        else:
            self._move(found.mean(axis=0))

    def _nudge(self, index: int) -> float:
        """Towards the wider of the two gaps beside a level."""
        above = (self.here[index - 1] if index else np.log(self.spacing.sigma_max)) - self.here[index]
        under = self.here[index + 1] if index + 1 < len(self.here) else np.log(self.spacing.sigma_min)
        below = self.here[index] - under
        return (1.0 if above >= below else -1.0) * float(min(NUDGE, 0.4 * max(above, below)))

    def _point(self) -> None:
        """Where the sum of the prompts' errors should be least, at several dampings [Marquardt 1963]."""
        lengths = np.sqrt(np.maximum(self._overlaps[:, 0, 0], 1e-24))
        # Squares would let the hardest prompt decide; divided by their own length, errors count as lengths.
        total = np.einsum("p,pij->ij", 1.0 / lengths, self._overlaps) / len(lengths)
        scale = 1.0 / self._nudges
        change = total[1:, 1:] - total[1:, :1] - total[:1, 1:] + total[0, 0]
        curvature = change * scale[:, None] * scale[None, :]
        slope = (total[1:, 0] - total[0, 0]) * scale
        self._tried = []
        for factor in DAMPINGS:
            damped = curvature + self._damping * factor * np.diag(np.diagonal(curvature) + 1e-12)
            step = -np.linalg.solve(damped, slope)
            shorter = min(1.0, FARTHEST / float(np.abs(step).max() + 1e-12))
            self._tried.append(self.spacing.allowed(self.here + shorter * step))
        self._phase = "move"

    def _move(self, losses: Floats) -> None:
        best = int(np.argmin(losses))
        gain = 1.0 - float(losses[best]) / self.loss
        self.rounds += 1
        self._idle = 0 if gain >= ENOUGH else self._idle + 1
        if gain > 0.0:
            self.here, self.loss = self._tried[best], float(losses[best])
            self._damping *= DAMPINGS[best]
            self._phase = "look"
        else:
            # The neighbours have not changed: only a shorter step is left to try.
            self._damping *= DAMPINGS[-1]
            self._point()
        if self._idle >= 2 or self._damping > LARGEST_DAMPING:
            self._phase = "done"
