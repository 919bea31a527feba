"""The front of a search: the settings that no other beats in everything that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence


def nondominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Which points, each better when lower, no other equals or beats in every coordinate while beating it in one.

    Of equal points the first is kept.
    """
    kept = []
    for i, point in enumerate(points):
        beaten = any(_beats(other, point) or (j < i and list(other) == list(point)) for j, other in enumerate(points) if j != i)
        if not beaten:
            kept.append(i)
    return kept


def _beats(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def knee(points: Sequence[tuple[float, float]]) -> int | None:
    """The point of a front that lies farthest below the chord of its ends, in logarithms: a place to look at, no proof."""
    order = sorted(range(len(points)), key=lambda i: points[i])
    if len(order) < 3:
        return None
    logs = [(math.log(max(points[i][0], 1e-9)), math.log(max(points[i][1], 1e-9))) for i in order]
    (left, top), (right, bottom) = logs[0], logs[-1]
    if right <= left:
        return None
    below = [top + (bottom - top) * (x - left) / (right - left) - y for x, y in logs]
    deepest = max(range(len(below)), key=below.__getitem__)
    return order[deepest] if below[deepest] > 1e-9 else None
