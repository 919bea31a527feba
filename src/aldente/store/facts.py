"""What a query comes to that asks about a fact: what is known of a picture beside its recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC

from aldente.recipe.parameters import spelling_of
from aldente.store.askable import ALIASES, COUNTS, NUMBERS, TEXTS, TRAITS, metric_called, parameter_called, unknown
from aldente.store.asked import Asked, Condition, changed, wrong
from aldente.store.catalogue import COMMON, FACT, METRIC, folded, place
from aldente.store.comparing import number, trait, with_trait, worded
from aldente.store.query import Compare, moments


def fact_asked(fact: str, compare: Compare, asked: Asked) -> Condition:
    """The condition on what is known of a picture beside its recipe."""
    if fact == "error":
        asked.errors = True
    if fact in NUMBERS:
        return number(NUMBERS[fact], compare, asked)
    if fact in TEXTS:
        return worded(fact, compare.value, compare, asked)
    if fact in TRAITS:
        return trait(FACT + fact, "text", compare, asked)
    if fact in COUNTS:
        return trait(FACT + fact, "number", compare, asked)
    others = {"created": _created, "tag": _tag, "has": _has, "id": _id, "file": _file, "plan": _plan, "parent": _parent}
    return others[fact](compare, asked)


def _created(compare: Compare, asked: Asked) -> Condition:
    span = moments(compare.value, asked.moment)
    if span is None or compare.operator == "~":
        why = f"'{compare.value}' is no time; write 7d, 2h, 30m, 2026-11-01, 2026-11-01T12:30 (UTC), today or yesterday"
        raise wrong(compare, asked, why)
    first, after = (place(moment.astimezone(UTC).isoformat(), "000") for moment in span)
    after = max(after, first + 1) if compare.operator in ("=", ":") else after
    low = {"=": first, ":": first, ">=": first, ">": after}.get(compare.operator)
    high = {"=": after, ":": after, "<": first, "<=": after}.get(compare.operator)
    tests = [
        *([] if low is None else [f"c.at >= {asked.bound(low)}"]),
        *([] if high is None else [f"c.at < {asked.bound(high)}"]),
    ]
    return Condition(" AND ".join(tests))


def _tag(compare: Compare, asked: Asked) -> Condition:
    value = asked.bound(folded(compare.value.lstrip("+")))
    tests = {"=": f"tag = {value}", ":": f"tag = {value}", "~": f"{asked.finds}(tag, {value}) > 0"}
    if compare.operator not in tests:
        raise wrong(compare, asked, "tag is a text; compare it with : = != ~ !~")
    gathers = f"SELECT at FROM tags WHERE {tests[compare.operator]}"
    return Condition(f"EXISTS ({gathers} AND at = c.at)", gathers)


def _has(compare: Compare, asked: Asked) -> Condition:
    """Whether something is there at all: has:rating, has:tag, has:error, has:control_image."""
    spelling = spelling_of(compare.value)
    fact = ALIASES.get(spelling, spelling)
    if compare.operator not in ("=", ":"):
        raise wrong(compare, asked, "write has:rating, has:tag or has:error")
    if fact == "error":
        asked.errors = True
        return Condition("c.failed = 1", with_trait(FACT + "error", asked).gathers)
    if fact in (*NUMBERS, *TEXTS):
        # Most pictures have these: walking finds them.
        return Condition(f"c.{fact} IS NOT NULL", f"SELECT at FROM catalogue WHERE {fact} IS NOT NULL")
    if fact in (*TRAITS, *COUNTS):
        return with_trait(FACT + fact, asked)
    return _LINKS[fact] if fact in _LINKS else _sets(spelling, compare, asked)


_LINKS = {
    "tag": Condition("EXISTS (SELECT 1 FROM tags g WHERE g.at = c.at)", "SELECT DISTINCT at FROM tags"),
    "plan": Condition("EXISTS (SELECT 1 FROM images i WHERE i.at = c.at AND i.plan IS NOT NULL)"),
    "parent": Condition(
        "EXISTS (SELECT 1 FROM images i JOIN parents p ON p.image_id = i.id WHERE i.at = c.at)",
        "SELECT i.at FROM parents p JOIN images i ON i.id = p.image_id",
    ),
}
"""Whether a picture has a tag, belongs to a plan, or was made from others."""


def _sets(spelling: str, compare: Compare, asked: Asked) -> Condition:
    """Whether a picture's recipe sets a parameter, or a metric has said something of it."""
    known = parameter_called(compare.value)
    if known is not None and known.name in ("prompt", "negative"):
        return Condition(f"c.{known.name} <> {asked.bound(asked.word(known.name, '') or -1)}")
    if known is not None:
        return Condition("1 = 1") if known.name in (*COMMON, "size") else with_trait(known.name, asked)
    metric = metric_called(spelling, asked)
    if metric is None:
        raise unknown(changed(compare, name=compare.value, start=compare.value_start, end=compare.value_end), asked)
    return with_trait(METRIC + metric, asked)


def _id(compare: Compare, asked: Asked) -> Condition:
    begins = _begins("id", compare, asked, "an id is hexadecimal; write id:1a2b3c4d", shortest=1, operators=("=", ":", "~"))
    gathers = f"SELECT at FROM images WHERE {begins}"
    return Condition(f"c.at IN ({gathers})", gathers)


def _file(compare: Compare, asked: Asked) -> Condition:
    why = "a file is told by its hash, four hexadecimal digits or more: file:1a2b3c4d"
    gathers = f"SELECT at FROM images WHERE {_begins('file_hash', compare, asked, why)}"
    return Condition(f"c.at IN ({gathers})", gathers)


def _plan(compare: Compare, asked: Asked) -> Condition:
    """A picture that an earlier plan drew belongs to every plan that has it as a cell."""
    why = "a plan is told by its id, four hexadecimal digits or more: plan:1a2b3c4d"
    gathers = (
        f"SELECT at FROM images WHERE {_begins('plan', compare, asked, why)} UNION SELECT i.at FROM plan_cells p "
        f"JOIN images i ON i.recipe_digest = p.recipe_digest WHERE {_begins('p.plan', compare, asked, why)}"
    )
    return Condition(f"c.at IN ({gathers})", f"SELECT at FROM ({gathers}) b")


def _parent(compare: Compare, asked: Asked) -> Condition:
    why = "a parent is told by the hash of its file, four hexadecimal digits or more"
    begins = _begins("p.parent", compare, asked, why)
    gathers = f"SELECT i.at FROM parents p JOIN images i ON i.id = p.image_id WHERE {begins}"
    return Condition(f"c.at IN ({gathers})", gathers)


def _begins(
    column: str, compare: Compare, asked: Asked, why: str, *, shortest: int = 4, operators: Sequence[str] = ("=", ":")
) -> str:
    """The test that a hexadecimal column begins with what is sought, as an index can answer it."""
    sought = compare.value.lower()
    if compare.operator not in operators or not re.fullmatch(rf"[0-9a-f]{{{shortest},64}}", sought):
        raise wrong(compare, asked, why)
    return f"{column} >= {asked.bound(sought)} AND {column} < {asked.bound(sought + 'g')}"
