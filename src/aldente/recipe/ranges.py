"""How users write lists of values: separators, quotes and escapes, and ranges that are exact in decimal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor

from aldente.engine.errors import UserError
from aldente.recipe.parameters import NUMBER

LONGEST_RANGE = 1_000_000
"""More values than anybody means in one range; what is longer is a slip of the pen."""

_RANGE = re.compile(
    rf"(?P<first>{NUMBER})\s*-\s*(?P<last>{NUMBER})(?:\s*\(\s*(?P<step>{NUMBER})\s*\)|\s*\[\s*(?P<count>\d{{1,9}})\s*\])?",
    re.ASCII,
)
_NUMBER = re.compile(NUMBER, re.ASCII)
_GAP = frozenset({"..", "...", "…"})
_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_ESCAPED = re.compile(r"\\([,|&\"])")


def split_values(text: str) -> tuple[str, ...]:
    r"""The items of a list: separated by ``||`` where it occurs outside quotes, by commas where not.

    An item in double quotes is taken as it stands (``""`` is one quote); ``\,`` ``\|`` ``\&`` and ``\"`` are the signs
    themselves. Empty items are kept, ``SKIP:`` items left out. Raises UserError when a quote is never closed.
    """
    separator = "||" if len(split_outside(text, "||")) > 1 else ","
    items = [unquoted(item) for item in split_outside(text, separator)]
    return tuple(item for item in items if not item.upper().startswith("SKIP:"))


def split_outside(text: str, separator: str) -> list[str]:
    """The text cut at a separator wherever it stands neither in a quoted item nor after a backslash.

    A quote opens only where an item begins (after the separator, ``,``, ``||``, ``=`` or ``&``), so that inches stay inches.
    Raises UserError when a quote is never closed.
    """
    signs = re.compile(rf"\\.|{re.escape(separator)}|[\",=&|]|[^\s\\\",=&|]+", re.DOTALL)
    pieces, start, opened, begins, at = [], 0, -1, True, 0
    while at < len(text):
        if opened >= 0:
            at, opened = _after_quote(text, opened), -1
            continue
        found = signs.search(text, at)
        if found is None:
            break
        sign, at = found[0], found.end()
        if sign == '"' and begins:
            opened = found.start()
        elif sign == separator:
            pieces.append(text[start : found.start()])
            start = at
        begins = sign in {separator, ",", "=", "&", "|"}
    return [*pieces, text[start:]]


def _after_quote(text: str, opened: int) -> int:
    closed = _QUOTED.match(text, opened)
    if closed is None:
        raise UserError(
            f'the quote at character {opened + 1} of {text[:80]!r} is never closed; add one, or write \\" for the sign.'
        )
    return closed.end()


def unquoted(item: str) -> str:
    """What an item of a list says, without its quotes and escapes."""
    plain = item.strip()
    quoted = _QUOTED.fullmatch(plain)
    return quoted[1].replace('""', '"') if quoted else _ESCAPED.sub(r"\1", plain)


def join_values(values: Iterable[str]) -> str:
    """The list that ``split_values`` reads back as these values; those that hold signs of the syntax are quoted."""
    return ", ".join(_quoted(value) for value in values)


def _quoted(value: str) -> str:
    needed = value != value.strip() or not value or re.search(r'[,"|&=\\]', value) or value.upper().startswith("SKIP:")
    return '"' + value.replace('"', '""') + '"' if needed else value


def expand_numbers(items: Iterable[str], *, whole: bool) -> Iterator[Fraction | str]:
    """The numbers of a list exactly as written, its ranges and gaps filled; an item that is neither is handed on as text.

    ``5-7`` counts by 1, ``0.1-0.3 (+0.1)`` and ``10-5 (-1)`` by the step, ``5-15 [5]`` gives that many numbers evenly spaced,
    and ``1, 2, .., 10`` goes on as it began. Of ``whole`` numbers, those evenly spaced are rounded, halves up.
    Raises UserError for a range that leads nowhere or never ends.
    """
    seen: list[Fraction] = []
    pending = False
    for item in items:
        if item in _GAP:
            if pending or not seen:
                raise UserError("'..' stands between numbers: write 1, 2, .., 10.")
            pending = True
            continue
        if not _NUMBER.fullmatch(item) and pending:
            raise UserError(f"after '..' comes the number to stop at, not {item!r}: write 1, 2, .., 10.")
        numbers = _numbers(item, whole)
        if numbers is None:
            seen = []
            yield item
            continue
        if pending:
            numbers = [*_between(seen, numbers[0]), numbers[0]]
            pending = False
        yield from numbers
        seen = [*seen, *numbers][-2:]
    if pending:
        raise UserError("'..' stands between numbers: write 1, 2, .., 10.")


def _numbers(item: str, whole: bool) -> list[Fraction] | None:
    if _NUMBER.fullmatch(item):
        return [Fraction(item)]
    found = _RANGE.fullmatch(item)
    if found is None:
        return None
    first, last = Fraction(found["first"]), Fraction(found["last"])
    if found["count"] is not None:
        spaced = _spaced(first, last, int(found["count"]), item)
        return [Fraction(floor(number + Fraction(1, 2))) for number in spaced] if whole else spaced
    if first == last:
        return [first]
    direction = 1 if last > first else -1
    step = Fraction(found["step"]) if found["step"] is not None else Fraction(direction)
    if step < 0 < direction or (direction < 0 and (found["step"] or "").startswith("+")) or step == 0:
        raise UserError(
            f"{item!r} never arrives: its step must be {'above' if direction > 0 else 'below'} 0, such as ({direction:+d})."
        )
    return _counted(first, last, abs(step) * direction, item)


def _counted(first: Fraction, last: Fraction, step: Fraction, item: str) -> list[Fraction]:
    count = (last - first) // step + 1
    if count > LONGEST_RANGE:
        raise UserError(f"{item!r} has {count} values; a range may have {LONGEST_RANGE}. Write a larger step.")
    return [first + i * step for i in range(count)]


def _spaced(first: Fraction, last: Fraction, count: int, item: str) -> list[Fraction]:
    if not 1 <= count <= LONGEST_RANGE:
        raise UserError(f"{item!r} has {count} values; a range may have 1 to {LONGEST_RANGE}.")
    if count == 1:
        return [first]
    return [first + (last - first) * i / (count - 1) for i in range(count)]


def _between(seen: list[Fraction], last: Fraction) -> list[Fraction]:
    """What stands between the numbers seen and the last one; one number seen counts by 1 towards it."""
    step = seen[-1] - seen[-2] if len(seen) > 1 else Fraction(1 if last > seen[-1] else -1)
    if step == 0 or (last - seen[-1]) * step <= 0:
        raise UserError(f"'..' never arrives at {last}: it goes on from {seen[-1]} by {step}.")
    steps = _counted(seen[-1], last, step, f"{seen[-1]}, .., {last}")
    return [number for number in steps[1:] if number != last]
