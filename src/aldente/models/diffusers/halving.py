"""Rows that do not fit into memory together are answered in halves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.diffusers.experience import Experience, Shape
from aldente.models.diffusers.plan import Plan

Answer = Callable[[Sequence[int]], Tensor]
"""The answers of rows, by their indices."""


class Halving:
    """How many rows fit at once, as failures have taught; ``experience`` remembers them beyond this process."""

    def __init__(self, plan: Plan, network: str, experience: Experience) -> None:
        self._plan, self._network, self._experience = plan, network, experience
        self._most: dict[Shape, int | None] = {}

    def answers(self, rows: Sequence[int], shape: Shape, answer: Answer) -> Tensor:
        """The answers of all ``rows``, whose inputs have ``shape`` each; raises UserError where not even one fits."""
        if shape not in self._most:
            self._most[shape] = self._experience.most_rows(self._plan, self._network, shape)
        most = self._most[shape] or len(rows)
        found: list[Tensor] = []
        start = 0
        while start < len(rows):
            chosen = rows[start : start + most]
            got = _tried(chosen, answer)
            if got is not None:
                found.append(got)
                start += len(chosen)
                continue
            self._experience.remember_failure(self._plan, self._network, shape, len(chosen))
            if len(chosen) == 1:
                raise UserError("the device's memory does not hold even one row of this size: draw smaller pictures.")
            most = self._most[shape] = len(chosen) // 2
        return torch.cat(found)


def _tried(rows: Sequence[int], answer: Answer) -> Tensor | None:
    """The answers, or None where memory is too small for them."""
    try:
        return answer(rows)
    except torch.OutOfMemoryError:
        pass
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
    # Only out here is what the failed call held given back.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
