"""The names that a query may use beside each other: parameters, metrics that the store has values of, and facts."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

from aldente.engine.errors import UserError
from aldente.recipe.parameters import Parameter, names_of, parameters, spelling_of
from aldente.store.asked import Asked
from aldente.store.query import Compare, fault

NUMBERS = {"calls": "calls", "seconds": "seconds", "peak": "peak", "rating": "rating"}
TEXTS = ("program", "category", "preset")
TRAITS = ("note", "error", "study")
COUNTS = ("wins", "losses")
_OTHERS = ("created", "tag", "has", "id", "file", "plan", "parent")
FACTS = (*NUMBERS, *TEXTS, *TRAITS, *COUNTS, *_OTHERS)
"""What can be asked about beside parameters and metrics."""

ALIASES = {
    "modelcalls": "calls",
    "nfe": "calls",
    "time": "seconds",
    "duration": "seconds",
    "peakbytes": "peak",
    "memory": "peak",
    "stars": "rating",
    "date": "created",
    "when": "created",
    "tags": "tag",
    "notes": "note",
    "failed": "error",
    "errors": "error",
    "parents": "parent",
    "source": "parent",
    "madeby": "program",
    "won": "wins",
    "lost": "losses",
}


def parameter_called(name: str) -> Parameter | None:
    """The parameter of this name or alias, however it is spelled."""
    return _parameters().get(spelling_of(name))


@cache
def _parameters() -> dict[str, Parameter]:
    return names_of(parameters())


def metric_called(spelling: str, asked: Asked) -> str | None:
    """The metric of this name, or the only one whose name begins so."""
    if spelling in asked.metrics:
        return asked.metrics[spelling]
    begins = [name for known, name in asked.metrics.items() if spelling and known.startswith(spelling)]
    return begins[0] if len(begins) == 1 else None


def unknown(compare: Compare, asked: Asked) -> UserError:
    """The error for a name that nothing has, with the nearest one and all that there are."""
    names = {spelling_of(name): name for p in parameters() for name in (p.name, *p.aliases)}
    names |= {spelling_of(name): name for name in (*FACTS, *asked.metrics.values())}
    near = get_close_matches(spelling_of(compare.name), names, n=1, cutoff=0.6)
    hint = f"; did you mean '{names[near[0]]}'?" if near else "."
    metrics = ", ".join(sorted(asked.metrics.values())) or "none yet"
    why = (
        f"'{compare.name}' is neither a parameter, nor a metric that this store has values of ({metrics}), "
        f"nor one of {', '.join(sorted(FACTS))}{hint}"
    )
    return fault(asked.said, compare.start, compare.end, why)
