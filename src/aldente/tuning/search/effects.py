"""Which parameter matters: an analysis of variance of what was measured, and PED-ANOVA's importances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from aldente.tuning.search.ask import Told, importances
from aldente.tuning.search.result import Effect, Effects, Level, Share
from aldente.tuning.search.space import Place, Space

Floats = NDArray[np.float64]

FEWEST = 8
"""Settings below which nothing can be told apart."""


def effects_of(space: Space, places: Sequence[Place], errors: Sequence[float], history: Sequence[Told]) -> Effects | None:
    """The effects on the logarithm of the error; None for too few settings.

    A share is what the fit loses without the parameter, so it does not depend on which settings happened to be tried
    together (type III); parameters that were always moved together cannot be told apart and get little each. An
    interaction is what the product of two adds to the fit of all main effects.
    """
    varied = [i for i in range(len(space.dimensions)) if len({place[i] for place in places}) > 1]
    if len(places) < FEWEST or not varied:
        return None
    y = np.log(np.maximum(errors, 1e-9))
    columns = {i: _columns(space, i, places) for i in varied}
    spread = float(((y - y.mean()) ** 2).sum())
    if spread <= 0.0 or sum(c.shape[1] for c in columns.values()) + 2 > len(places):
        return None
    whole = _lost(list(columns.values()), y)
    shares = [
        Share(
            names=(space.dimensions[i].name,),
            share=(_lost([c for j, c in columns.items() if j != i], y) - whole) / spread,
        )
        for i in varied
    ]
    for i, j in combinations(varied, 2):
        both = _product(columns[i], columns[j])
        if sum(c.shape[1] for c in columns.values()) + both.shape[1] + 2 <= len(places):
            gained = whole - _lost([*columns.values(), both], y)
            shares.append(Share(names=(space.dimensions[i].name, space.dimensions[j].name), share=gained / spread))
    ordered = tuple(sorted(shares, key=lambda share: -share.share))
    return Effects(
        explained=1.0 - whole / spread,
        shares=ordered,
        main=tuple(_effect(space, i, places, columns, y) for i in varied),
        importance=importances(space, history),
        sentence=_sentence(ordered, 1.0 - whole / spread, len(places)),
    )


def _columns(space: Space, at: int, places: Sequence[Place]) -> Floats:
    """A parameter as columns: logarithm (or value) and its square where it is ordered, one column for each word elsewhere."""
    dimension = space.dimensions[at]
    if dimension.ordered:
        numbers = np.array([float(dimension.values[place[at]] or 0) for place in places])
        x = np.log(numbers) if numbers.min() > 0 else numbers
        x = (x - x.mean()) / (float(x.std()) or 1.0)
        return np.stack([x, x**2], axis=1)[:, : 2 if len(set(numbers)) > 2 else 1]
    used = sorted({place[at] for place in places})
    return np.array([[float(place[at] == value) for value in used[1:]] for place in places])


def _product(a: Floats, b: Floats) -> Floats:
    """Every product of two columns; of ordered parameters the linear one only."""
    return np.stack([p * q for p in _linear(a) for q in _linear(b)], axis=1)


def _linear(columns: Floats) -> Sequence[Floats]:
    ordered = columns.shape[1] == 2 and not set(np.unique(columns)) <= {0.0, 1.0}
    return [columns[:, 0]] if ordered else list(columns.T)


def _lost(columns: Sequence[Floats], y: Floats) -> float:
    """The squares that a fit by these columns leaves over."""
    design = np.column_stack([np.ones(len(y)), *columns])
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    return float(((y - design @ found) ** 2).sum())


def _effect(space: Space, at: int, places: Sequence[Place], columns: dict[int, Floats], y: Floats) -> Effect:
    """The mean factor of each value, all other parameters as the fit has them."""
    others = [c for i, c in columns.items() if i != at]
    design = np.column_stack([np.ones(len(y)), *columns.values()])
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    fitted_others = np.column_stack([np.ones(len(y)), *others]) if others else np.ones((len(y), 1))
    kept = [0, *(k for k, i in enumerate(_owners(columns), start=1) if i != at)]
    left = y - fitted_others @ found[kept]
    left = left - left.mean()
    levels = []
    for value in sorted({place[at] for place in places}):
        mine = [left[n] for n, place in enumerate(places) if place[at] == value]
        factor = math.exp(math.fsum(mine) / len(mine))
        levels.append(Level(value=space.dimensions[at].values[value], factor=factor, settings=len(mine)))
    return Effect(name=space.dimensions[at].name, levels=tuple(levels))


def _owners(columns: dict[int, Floats]) -> list[int]:
    """Which parameter each column of the design belongs to."""
    return [i for i, c in columns.items() for _ in range(c.shape[1])]


def _sentence(shares: Sequence[Share], explained: float, count: int) -> str:
    main = next((share for share in shares if len(share.names) == 1), None)
    pair = next((share for share in shares if len(share.names) == 2), None)
    if main is None:
        return ""
    said = f"Among {count} settings {main.names[0]} moves the error most ({main.share:.0%} of its spread in logarithms)"
    if pair is not None and pair.share > 0.02:
        said += f"; {pair.names[0]} and {pair.names[1]} act together ({pair.share:.0%} more)"
    return f"{said}. Parameters one by one explain {explained:.0%}."
