"""Names that are chosen from a registry: any program's spelling in, our one name out, the field's title for showing."""

from __future__ import annotations

from aldente.engine.errors import unknown
from aldente.engine.names import split_name
from aldente.engine.samplers.table import find_sampler
from aldente.engine.schedules.table import find_schedule
from aldente.recipe.sigmas import parse_sigmas, sigmas_text

RNG_TITLES = {"aldente": "aldente", "nv": "NV", "cpu": "CPU"}
"""Where noise may come from, each with the title that A1111 gives it; ours has none there."""


def canonical_name(choices: str, name: str) -> str:
    """Our name for an entry of a registry (``"sampler"``, ``"schedule"``, ``"rng"``), or the name itself where any is allowed.

    The ``"sigmas"`` are a list rather than a registry, with one spelling all the same.
    Raises UserError with the nearest known name.
    """
    if choices == "sampler":
        return find_sampler(name).name
    if choices == "schedule":
        return find_schedule(name).name
    if choices == "sigmas":
        return sigmas_text(parse_sigmas(name))
    if choices == "rng":
        if name.lower() not in RNG_TITLES:
            raise unknown("rng", name, RNG_TITLES)
        return name.lower()
    return name


def title_of(choices: str | None, name: str) -> str:
    """The title that people read: 'DPM++ 2M' for dpmpp_2m, 'Karras' for karras; other names are their own title."""
    if choices == "sampler":
        return combined_title(name)
    if choices == "schedule":
        return find_schedule(name).title
    return RNG_TITLES.get(name, name) if choices == "rng" else name


def split_sampler(name: str) -> tuple[str, str | None]:
    """Our names for the sampler and, in a combined name such as 'DPM++ 2M Karras', the schedule.

    Raises UserError with the nearest known name.
    """
    return split_name(name)


def combined_title(name: str) -> str:
    """The title of a sampler, or of a sampler and schedule together; ``split_sampler`` reads it back."""
    sampler, schedule = split_sampler(name)
    title = find_sampler(sampler).title
    return title if schedule is None else f"{title} {find_schedule(schedule).title}"


def automatic_schedule(sampler: str) -> str:
    """The schedule that other programs choose for a sampler when told 'Automatic'."""
    return canonical_name("schedule", find_sampler(sampler).schedule)
