"""Step counts worth trying: each about the square root of 2 above the last."""

from __future__ import annotations

from aldente.engine.errors import UserError


def ladder(low: int = 5, high: int = 56) -> tuple[int, ...]:
    """The rungs 5, 7, 10, 14, 20, 28, 40, 56 ... (and 3, 2, 1 below) within ``low`` and ``high``.

    Raises UserError when fewer than two rungs lie there: nothing could be compared.
    """
    octaves = range(-2, max(1, high).bit_length())
    rungs = sorted({int(first * 2.0**octave) for octave in octaves for first in (5, 7)})
    chosen = tuple(rung for rung in rungs if low <= rung <= high)
    if len(chosen) < 2:
        raise UserError(f"no two step counts of the ladder lie between {low} and {high}; allow a wider range, such as 5 to 56.")
    return chosen
