"""What is known of a sampler, and how one is made from options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aldente.engine.errors import UserError
from aldente.engine.trajectory import Sampler

CHURN = ("s_churn", "s_tmin", "s_tmax", "s_noise")
"""The options of the churn that single-step samplers can be run with; they belong to the run and not to the sampler."""


@dataclass(frozen=True, kw_only=True)
class SamplerInfo:
    """The facts about a sampler.

    ``title`` is its label in A1111, ``aliases`` are its names elsewhere. ``make`` takes its own ``options``, ``churns``
    says that it can be run with churn besides. ``order`` is the measured global order (weak, if ``stochastic``),
    ``calls_per_step`` the evaluations of one step. A ``whole`` sampler chooses the levels between the first and the last
    positive one itself. One that does not ``converge`` has no limit as steps grow. ``schedule`` is the UIs' default
    ("uniform" is the automatic one); with ``discard_next_to_last`` they leave out the last level but one.
    """

    name: str
    title: str
    make: Callable[..., Sampler]
    order: int
    aliases: tuple[str, ...] = ()
    own_options: tuple[str, ...] = ()
    calls_per_step: int = 1
    stochastic: bool = False
    multistep: bool = False
    churns: bool = False
    whole: bool = False
    converges: bool = True
    schedule: str = "uniform"
    discard_next_to_last: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The names of all options it honours."""
        return self.own_options + (CHURN if self.churns else ())

    def build(self, **options: Any) -> Sampler:
        """The sampler under ``options``; an option that is None keeps the sampler's own default.

        Raises UserError for an option that the sampler does not honour or a value that it cannot have. Options of churn
        are checked here and applied by ``prepare``.
        """
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            if name not in self.options:
                allowed = f"it takes {', '.join(self.options)}" if self.options else "it takes none"
                raise UserError(f"sampler '{self.name}' has no option '{name}'; {allowed}.")
        for name in ("eta", "s_noise", "tau", "s_churn", "s_tmin", "s_tmax"):
            if given.get(name, 0.0) < 0.0:
                raise UserError(f"sampler '{self.name}': {name} is {given[name]}; it must be 0 or more.")
        return self.make(**{name: value for name, value in given.items() if name in self.own_options})
