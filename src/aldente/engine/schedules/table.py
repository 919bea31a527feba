"""The one table of schedules: their names in every program, what they take and how they are built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from aldente.engine.errors import UserError, unknown
from aldente.engine.schedules import beta, curves, flow, tabulated, timesteps
from aldente.engine.schedules.span import Sigmas, Span
from aldente.engine.spelling import indexed

Kind = Literal["endpoints", "timesteps", "table", "flow", "own"]
"""What a schedule starts from: the ends of the span, the model's timesteps, published numbers, flow time, its own constants."""


@dataclass(frozen=True, kw_only=True)
class ScheduleInfo:
    """Facts about a schedule; ``build(span, steps, *, ...options)`` returns its levels."""

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    build: Callable[..., Sigmas]
    kind: Kind

    @property
    def options(self) -> dict[str, Any]:
        """The options of ``build`` and their defaults; None where a value must be given."""
        named = [p for p in inspect.signature(self.build).parameters.values() if p.kind is p.KEYWORD_ONLY]
        return {p.name: None if p.default is p.empty else p.default for p in named}


def _info(build: Callable[..., Sigmas], title: str, kind: Kind, *aliases: str) -> ScheduleInfo:
    return ScheduleInfo(name=build.__name__, title=title, aliases=aliases, build=build, kind=kind)


SCHEDULES: tuple[ScheduleInfo, ...] = (
    _info(curves.karras, "Karras", "endpoints", "use_karras_sigmas"),
    _info(curves.exponential, "Exponential", "endpoints", "use_exponential_sigmas"),
    _info(curves.polyexponential, "Polyexponential", "endpoints", "polyexp"),
    _info(timesteps.uniform, "Uniform", "timesteps", "normal", "linspace", "discrete"),
    _info(timesteps.sgm_uniform, "SGM Uniform", "timesteps", "sgm"),
    _info(timesteps.simple, "Simple", "timesteps"),
    _info(timesteps.ddim_uniform, "DDIM Uniform", "timesteps", "ddim", "leading"),
    _info(timesteps.trailing, "Trailing", "timesteps"),
    _info(timesteps.turbo, "Turbo", "timesteps", "sd_turbo", "sdturbo"),
    _info(beta.beta, "Beta", "timesteps", "beta_timesteps"),
    _info(beta.beta_sigma, "Beta on sigma", "endpoints", "use_beta_sigmas", "beta_a1111"),
    _info(curves.kl_optimal, "KL Optimal", "endpoints", "kl"),
    _info(curves.linear_quadratic, "Linear quadratic", "flow"),
    _info(tabulated.ays_sd1, "Align Your Steps", "table", "ays", "align_your_steps_sd1", "align_your_steps_sd15", "ays_sd15"),
    _info(tabulated.ays_sdxl, "Align Your Steps XL", "table", "align_your_steps_sdxl"),
    _info(curves.vp, "VP", "own", "variance_preserving"),
    _info(flow.flow, "Flow", "flow", "flow_linear", "flow_match"),
    _info(flow.flow_dynamic, "Flow, shifted by size", "flow", "flux"),
    _info(tabulated.custom, "Custom", "own", "sigmas"),
)


def schedules() -> tuple[ScheduleInfo, ...]:
    """All schedules, the most used first."""
    return SCHEDULES


def spellings(infos: Iterable[ScheduleInfo]) -> dict[str, ScheduleInfo]:
    """Every spelling of every schedule, bare of capitals and punctuation; ValueError if two schedules share one."""
    return indexed("schedule", infos, _plain)


def find_schedule(name: str) -> ScheduleInfo:
    """The schedule of that name, title or alias, whatever its capitals and punctuation; UserError with the nearest if none."""
    found = _known().get(_plain(name))
    if found is None:
        raise unknown("schedule", name, (info.name for info in SCHEDULES))
    return found


def build_schedule(name: str, steps: int, span: Span | None = None, options: Mapping[str, Any] | None = None) -> Sigmas:
    """The levels of a named schedule: ``steps`` + 1 of them, strictly falling to 0; no span is Stable Diffusion's.

    Raises UserError for an unknown name or option, for fewer than one step, and for options that make levels coincide.

    >>> [round(s, 3) for s in build_schedule("Karras", 4)]
    [14.615, 3.169, 0.447, 0.029, 0.0]
    """
    info, chosen = find_schedule(name), dict(options or {})
    if steps < 1:
        raise UserError(f"schedule '{info.name}' needs at least 1 step; got {steps}.")
    known = info.options
    for option in chosen:
        if option not in known:
            raise UserError(f"schedule '{info.name}' has no option '{option}'; it has: {', '.join(known) or 'none'}.")
    for option, default in known.items():
        if default is None and option not in chosen:
            raise UserError(f"schedule '{info.name}' needs '{option}'; give it as an option.")
    try:
        sigmas = info.build(span or Span(), steps, **chosen)
    except ArithmeticError as error:
        raise UserError(f"schedule '{info.name}' cannot be built in {steps} steps with {chosen}: {error}.") from error
    if not all(a > b for a, b in pairwise(sigmas)):
        raise UserError(f"schedule '{info.name}' does not fall strictly in {steps} steps with {chosen}; choose milder options.")
    return sigmas


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@cache
def _known() -> dict[str, ScheduleInfo]:
    return spellings(SCHEDULES)
