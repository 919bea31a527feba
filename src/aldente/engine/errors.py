"""What a user can get wrong, said so that they can put it right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Something the user asked for cannot be done; the message says what, where, what is allowed and what to do."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry, with the nearest known name."""
    names = sorted(known)
    near = get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.5)
    original = {n.lower(): n for n in names}
    hint = f" did you mean '{original[near[0]]}'?" if near else ""
    return UserError(f"{kind} '{name}' is not known;{hint} Known: {', '.join(names)}.")
