"""Labels that say only what differs: the common part factored out, what is too long keyed to a legend."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import ImageFont

from aldente.report import typeface


@dataclass(frozen=True, kw_only=True)
class Factored:
    """Axis values without their common part; ``frame`` is that part with ``…`` where the values differ, or empty."""

    values: tuple[str, ...]
    frame: str


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """One label as lines that fit their box, and in full; ``key`` is its number in the legend, 0 when nothing was cut."""

    lines: tuple[str, ...]
    full: str
    key: int


def factored(values: Sequence[str]) -> Factored:
    """The values of an axis with the words that all of them share, in front and behind, said once.

    Short values are left alone: nothing is won by taking the "DPM" out of sampler names.
    """
    plain = Factored(values=tuple(values), frame="")
    if len(set(values)) < 2 or max(map(len, values)) < 18:
        return plain
    parts = [re.findall(r"\s*\S+", value) for value in values]
    shortest = min(map(len, parts))
    front = _shared(parts, shortest)
    back = _shared([part[::-1] for part in parts], shortest - front)
    if front + back == 0:
        return plain
    middles = tuple("".join(part[front : len(part) - back]).strip(" ,;") for part in parts)
    if len(set(middles)) < len(set(values)):
        return plain
    head, tail = "".join(parts[0][:front]), "".join(parts[0][len(parts[0]) - back :])
    return Factored(values=tuple(m or "(none)" for m in middles), frame=f"{head.strip()} … {tail.strip()}".strip())


def _shared(parts: Sequence[Sequence[str]], limit: int) -> int:
    same = 0
    for words in zip(*parts, strict=False):
        if same == limit or len({word.strip(" ,;") for word in words}) > 1:
            break
        same += 1
    return same


def fitted(
    values: Sequence[str], face: ImageFont.FreeTypeFont, *, max_width: float, max_lines: int, first_key: int = 1
) -> tuple[Fitted, ...]:
    """Each label in its box; one that had to be cut begins with its key, ``[1]``, ``[2]``…, for the legend."""
    boxes: list[Fitted] = []
    key = first_key
    for value in values:
        lines = typeface.wrap(value, face, max_width)
        if len(lines) <= max_lines:
            boxes.append(Fitted(lines=lines, full=value, key=0))
            continue
        kept = typeface.wrap(f"[{key}] {value}", face, max_width)[:max_lines]
        last = typeface.shorten(f"{kept[-1]} …", face, max_width)
        boxes.append(Fitted(lines=(*kept[:-1], last), full=value, key=key))
        key += 1
    return tuple(boxes)


def differences(settings: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], tuple[Mapping[str, str], ...]]:
    """What all settings have in common, and for each what is its own; a name that one of them lacks is not common."""
    if not settings:
        return {}, ()
    first = settings[0]
    common = {name: value for name, value in first.items() if all(other.get(name) == value for other in settings)}
    own = tuple({name: value for name, value in setting.items() if name not in common} for setting in settings)
    return common, own


def caption(common: Mapping[str, str]) -> str:
    """The settings that a whole sheet shares, in one line for its foot."""
    return "  ·  ".join(f"{name} {value}" for name, value in common.items() if value != "")
