"""Who scores prompt adherence for which model."""

from __future__ import annotations

from functools import cache

from aldente.engine.errors import UserError
from aldente.models.table import find_model
from aldente.quality.adherence import Adherence


def scorer_for(model_name: str) -> Adherence:
    """The metric of prompt adherence for what the model draws, loaded once.

    Raises UserError where the model has no scorer, or where a part of it is not installed.
    """
    name = find_model(model_name).name
    if name != "pastina":
        raise UserError(f"model '{name}' has no scorer of prompt adherence; there is one for: pastina.")
    return _pastina()


@cache
def _pastina() -> Adherence:
    # Heavy, and not needed unless asked for.
    from aldente.models.pastina.scorer import WEIGHTS, Scorer  # noqa: PLC0415

    graph = WEIGHTS / "scorer.onnx"
    if not graph.exists():
        raise UserError(f"pastina's scorer is missing: there is no {graph}. Reinstall aldente to get it.")
    return Adherence(scorer=Scorer())
