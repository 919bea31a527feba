"""The conditions that each comparison of a query comes to."""

from __future__ import annotations

import re

from aldente.engine.errors import UserError
from aldente.recipe.names import split_sampler
from aldente.recipe.parameters import UNSET, Parameter, spelling_of
from aldente.store.askable import ALIASES, FACTS, metric_called, parameter_called, unknown
from aldente.store.asked import Asked, Condition, changed, wrong
from aldente.store.catalogue import COMMON, METRIC
from aldente.store.comparing import canonical, number, trait, with_trait, worded
from aldente.store.facts import fact_asked
from aldente.store.query import Compare

_SIZE = re.compile(r"(\d{1,6})[xX×*](\d{1,6})")


def ask(compare: Compare, asked: Asked) -> list[Condition]:
    """The conditions, all of which must hold, that a comparison means.

    Raises UserError, pointing at the place, for names and values that there are not.
    """
    return asked.once(compare, lambda: _ask(compare, asked))


def _ask(compare: Compare, asked: Asked) -> list[Condition]:
    if compare.operator in ("!=", "!~"):
        same = _ask(changed(compare, operator=compare.operator[1]), asked)
        return [Condition("NOT (" + " AND ".join(f"({one.where})" for one in same) + ")")]
    spelling = spelling_of(compare.name)
    fact = ALIASES.get(spelling, spelling)
    if fact in FACTS:
        return [fact_asked(fact, compare, asked)]
    known = parameter_called(compare.name)
    if known is not None:
        return _of_parameter(known, compare, asked)
    metric = metric_called(spelling, asked)
    if metric is None:
        raise unknown(compare, asked)
    return [trait(METRIC + metric, "number", compare, asked)]


def _of_parameter(parameter: Parameter, compare: Compare, asked: Asked) -> list[Condition]:
    if parameter.kind == "size":
        sides = _SIZE.fullmatch(compare.value)
        if sides is None or compare.operator not in ("=", ":"):
            raise wrong(compare, asked, "a size is compared with = or !=, like size=512x768")
        pairs = (("width", sides[1]), ("height", sides[2]))
        return [number(name, changed(compare, value=side), asked) for name, side in pairs]
    if parameter.optional and compare.operator in ("=", ":") and compare.value.lower() in UNSET:
        return [Condition(f"NOT ({with_trait(parameter.name, asked).where})")]
    is_text = parameter.kind in ("text", "choice")
    if parameter.choices == "sampler" and compare.operator in ("=", ":"):
        return _combined(parameter, compare, asked)
    if parameter.name not in COMMON:
        return [trait(parameter.name, "text" if is_text else "number", compare, asked, parameter)]
    if not is_text:
        return [number(parameter.name, compare, asked, parameter)]
    return [worded(parameter.name, canonical(parameter, compare, asked), compare, asked)]


def _combined(parameter: Parameter, compare: Compare, asked: Asked) -> list[Condition]:
    """A sampler, or a sampler and its schedule: 'DPM++ 2M Karras'."""
    try:
        sampler, schedule = split_sampler(compare.value)
    except UserError as error:
        raise wrong(compare, asked, str(error).rstrip(".")) from None
    schedule_name = "schedule" if parameter.name == "sampler" else parameter.name.replace("sampler", "schedule")
    pairs = [(parameter.name, sampler), *([] if schedule is None else [(schedule_name, schedule)])]
    return [
        worded(name, value, compare, asked) if name in COMMON else trait(name, "text", changed(compare, value=value), asked)
        for name, value in pairs
    ]
