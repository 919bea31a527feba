"""The spellings of what goes by many names: one index, in which no two entries share a spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar


class Named(Protocol):
    """What has a name of ours, a title, and names elsewhere."""

    @property
    def name(self) -> str:
        """Our name."""
        ...

    @property
    def title(self) -> str:
        """Its label in A1111."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its names elsewhere."""
        ...


N = TypeVar("N", bound=Named)


def indexed(kind: str, entries: Iterable[N], plain: Callable[[str], str]) -> dict[str, N]:
    """Every entry by each of its spellings, as ``plain`` makes names comparable.

    Raises ValueError where two entries of this ``kind`` share one.
    """
    found: dict[str, N] = {}
    for entry in entries:
        for spelling in {plain(name) for name in (entry.name, entry.title, *entry.aliases)}:
            if spelling in found:
                raise ValueError(f"two {kind}s are called '{spelling}': {found[spelling].name} and {entry.name}")
            found[spelling] = entry
    return found


def several(count: int, one: str) -> str:
    """So many of what ``one`` is called: ``1 picture``, ``2 pictures``."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
