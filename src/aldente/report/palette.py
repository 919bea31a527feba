"""The colours of sheets, figures and pages, by their role, in daylight and at night."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#f6f4ef",
        "card": "#fffefb",
        "ink": "#1e1c19",
        "muted": "#6d675e",
        "line": "#d8d2c6",
        "accent": "#bf3f26",
        "accept": "#e3ebda",
        "series-1": "#3280dd",
        "series-2": "#c06613",
        "series-3": "#41875e",
        "series-4": "#6c0973",
        "series-5": "#4f3601",
        "series-6": "#1794bb",
        "series-7": "#41404a",
    }
)
"""What each role looks like on paper; no two roles share a colour, so that a figure can be recoloured by role."""

DARK: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#161513",
        "card": "#1f1d1a",
        "ink": "#ece8df",
        "muted": "#a39c90",
        "line": "#3a3731",
        "accent": "#ef7f63",
        "accept": "#2b3524",
        "series-1": "#3ca1f8",
        "series-2": "#d8790a",
        "series-3": "#6ff9bd",
        "series-4": "#be81a8",
        "series-5": "#f3e277",
        "series-6": "#30e3fe",
        "series-7": "#b38c61",
    }
)
"""The same roles on a dark screen."""

SERIES = tuple(role for role in LIGHT if role.startswith("series-"))
"""The roles of curves in the order they are given out: 25 Lab units apart or more, to dichromats as well."""
