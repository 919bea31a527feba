"""Names that say a sampler and a schedule in one breath, such as 'DPM++ 2M Karras'."""

from __future__ import annotations

from aldente.engine.errors import UserError
from aldente.engine.samplers.table import find_sampler
from aldente.engine.schedules.table import find_schedule


def split_name(name: str) -> tuple[str, str | None]:
    """The names of the sampler and of the schedule in ``name``; the schedule is None where ``name`` says only a sampler.

    The longest sampler wins. Raises UserError: about the schedule where only the end is unknown, else about the whole name.
    """
    words = name.replace("_", " ").split()
    for cut in range(len(words), 0, -1):
        try:
            sampler = find_sampler(" ".join(words[:cut])).name
        except UserError:
            continue
        return sampler, find_schedule(" ".join(words[cut:])).name if cut < len(words) else None
    return find_sampler(name).name, None
