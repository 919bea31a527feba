"""What a lesson found: the schedule, what it was compared with, and whether it may be used."""

from __future__ import annotations

from pydantic import Field

from aldente.recipe.value import Value
from aldente.tuning.result import Interval


class Rival(Value):
    """A schedule that the learned one must beat, or is compared with.

    ``loss`` is its distance to the converged latents on held-out prompts (root mean square of a prompt, averaged), in
    units of the latent; ``excess`` is by how much the learned one's is larger, paired by prompt, with its bounds.
    """

    name: str
    sampler: str
    sigmas: tuple[float, ...]
    loss: float
    excess: Interval

    @property
    def steps(self) -> int:
        """Its number of steps."""
        return len(self.sigmas)

    @property
    def beaten(self) -> bool:
        """Whether the learned schedule is better with confidence."""
        return self.excess.high is not None and self.excess.high < 0.0


class Start(Value):
    """A schedule that the search began with, and its loss on the prompts that were learned from."""

    name: str
    loss: float
    ended: float | None = None


class Learned(Value):
    """The outcome of a lesson.

    ``training_loss`` is on the prompts that were learned from, ``loss`` on held-out ones. ``rivals`` are the known
    schedules in as many steps; only where all are beaten is the schedule ``accepted``. ``path`` is the shortest path
    through the teachers' runs, ``ladder`` DPM++ 2M Karras in more steps. ``calls`` were asked for, teachers not counted.
    """

    sampler: str
    steps: int
    cfg: float
    sigmas: tuple[float, ...]
    started_from: str
    training_loss: float
    loss: float
    accepted: bool
    rivals: tuple[Rival, ...] = Field(min_length=1)
    path: Rival | None = None
    ladder: tuple[Rival, ...] = ()
    starts: tuple[Start, ...] = ()
    rounds: int
    calls: int
    cut_short: bool
    sentences: tuple[str, ...] = ()

    @property
    def best_rival(self) -> Rival:
        """The known schedule of the least loss on held-out prompts."""
        return min(self.rivals, key=lambda rival: rival.loss)

    @property
    def worth_steps(self) -> int | None:
        """The most steps of DPM++ 2M Karras that the learned schedule is better than with confidence."""
        return max((rival.steps for rival in self.ladder if rival.beaten), default=None)
