"""How many processor threads to compute with."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from aldente.engine.errors import UserError

VARIABLE = "ALDENTE_THREADS"

THREADS_MAX = 8
"""pastina is too small to gain from more threads than these; who asks for more by name gets them."""

WANTED_MAX = 256

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much processor time a container may take: microseconds, and the period in which."""


def usable_threads(environment: Mapping[str, str] = os.environ, quota: Path = QUOTA) -> int:
    """The number in the variable ALDENTE_THREADS, else as many as this process may use, at most ``THREADS_MAX``.

    It may use the processors that it is bound to, and of their time no more than its container's ``quota``. Raises
    ``UserError`` when the variable holds no number from 1 to ``WANTED_MAX``.
    """
    given = environment.get(VARIABLE, "").strip()
    if given:
        return _number(given)
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(bound, THREADS_MAX, _allotted(quota))


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= WANTED_MAX):
        said = f"the variable {VARIABLE} is '{given}'"
        raise UserError(f"{said}: set it to a whole number from 1 to {WANTED_MAX}, or unset it for as many as there are.")
    return int(given)


def _allotted(quota: Path) -> int:
    try:
        time, period = quota.read_text(encoding="ascii").split()
        return max(1, math.ceil(int(time) / int(period)))
    except (OSError, ValueError):  # no such file, or 'max': nothing is withheld
        return THREADS_MAX
