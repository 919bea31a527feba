"""What a search found out, as values that can be stored, shown and read again."""

from __future__ import annotations

from typing import Literal

from aldente.recipe.value import Value
from aldente.tuning.result import Goal, Interval

Plain = bool | int | float | str | None


class Tried(Value):
    """A setting and what is known of it.

    ``pictures`` were judged before it was stopped; ``error`` is the mean distance to the converged picture in JND,
    ``similarity`` the mean structural similarity to it, ``flawed`` the share of pictures with two noticeable flaws,
    ``adherence`` and ``diversity`` are there where they were measured. ``stopped`` says why it was given up; ``source`` what
    proposed it.
    """

    settings: dict[str, Plain]
    title: str
    calls: float
    seconds: float | None
    pictures: int
    error: float | None
    similarity: float | None
    flawed: float
    adherence: float | None
    diversity: float | None
    source: str
    stopped: str
    front: bool = False
    knee: bool = False


class Share(Value):
    """How much of the spread of a measure a parameter, or two together beyond their own, explains (0 to 1)."""

    names: tuple[str, ...]
    share: float


class Level(Value):
    """What one value of a parameter does to a measure: its mean factor against the average setting."""

    value: Plain
    factor: float
    settings: int


class Effect(Value):
    """A parameter's main effect, by value."""

    name: str
    levels: tuple[Level, ...]


class Effects(Value):
    """Main effects and interactions on the error among the settings that were measured, and what matters for being good.

    ``importance`` is PED-ANOVA's: how much each parameter decides whether a setting is among the best quarter.
    """

    explained: float
    shares: tuple[Share, ...]
    main: tuple[Effect, ...]
    importance: dict[str, float]
    sentence: str


class Proof(Value):
    """A finalist on pictures that took no part in the search.

    ``gap`` is how much larger its error is there than where it was chosen, relatively: the winner's curse.
    """

    title: str
    settings: dict[str, Plain]
    error: Interval
    searched: float
    gap: float
    adherence: float | None
    flawed: float
    on: str
    verdict: Literal["confirmed", "consistent", "contradicted"]


class SearchResult(Value):
    """Everything that a search found: its pick, why, what it was compared with, and what proves it."""

    search: str
    goal: Goal
    aim: str
    pick: Tried
    within_limits: bool
    front: tuple[Tried, ...]
    tried: tuple[Tried, ...]
    effects: Effects | None
    proofs: tuple[Proof, ...]
    sentences: tuple[str, ...]
    calls: dict[str, int]
    grid_calls: float
    places: int
    asks: int
    ruled_out: int
    out_of_budget: bool
    jnd: float
    pictures: int
