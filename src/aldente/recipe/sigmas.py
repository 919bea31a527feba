"""Noise levels written out, such as a learned schedule: '20,9.1,2.5,0.03', from high to low, the final 0 understood."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from aldente.engine.errors import UserError

MOST = 1000
"""As many levels as a run can have steps."""

WHAT = "falling noise levels with commas between them, such as 14.6,3.2,0.9,0.1"

_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
_NUMBER = re.compile(r"(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)


def parse_sigmas(text: str) -> tuple[float, ...]:
    """The positive levels that a text lists; a 0 at the end says what is understood and is left out.

    Raises UserError unless they are numbers that fall strictly and stay above 0.
    """
    pieces = _SEPARATOR.split(text.strip().strip("[]()").strip())
    for piece in pieces:
        if not _NUMBER.fullmatch(piece):
            raise UserError(f"sigmas: '{piece[:40]}' is no noise level; write {WHAT}.")
    levels = tuple(float(piece) for piece in pieces)
    levels = levels[:-1] if len(levels) > 1 and levels[-1] == 0.0 else levels
    if levels[-1] <= 0.0 or levels[0] == float("inf"):
        raise UserError(f"sigmas end at {levels[-1]:g} and begin at {levels[0]:g}; they must be finite and above 0.")
    for before, after in pairwise(levels):
        if before <= after:
            raise UserError(f"sigmas must fall, but {before:g} is followed by {after:g}; write {WHAT}.")
    if len(levels) > MOST:
        raise UserError(f"sigmas lists {len(levels)} levels; a run has at most {MOST} steps.")
    return levels


def sigmas_text(levels: Iterable[float]) -> str:
    """The one spelling of levels: the shortest decimals, commas, no spaces, no final 0.

    >>> sigmas_text((20.0, 2.5, 0.03, 0.0))
    '20,2.5,0.03'
    """
    return ",".join(repr(float(level)).removesuffix(".0") for level in levels if level != 0.0)
