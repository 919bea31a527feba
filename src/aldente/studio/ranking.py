"""An order of what votes say: the strength of pictures, or of settings, that are better than others [Bradley 1952]."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from aldente.engine.errors import UserError
from aldente.recipe.parameters import find_parameter, text_of
from aldente.recipe.settings import get_parameter
from aldente.recipe.value import Value
from aldente.store.port import Store
from aldente.store.record import Record
from aldente.studio.exporting import records

PICTURE = "picture"
"""What is ranked where no parameter is named."""

MOST_ROUNDS, SETTLED = 10_000, 1e-9


class Ranked(Value):
    """An entry of a ranking: what it is, the chance that it wins against a middling one, and its votes."""

    name: str
    chance: float
    wins: int
    losses: int


def rank(store: Store, query: str, by: str = PICTURE) -> tuple[Ranked, ...]:
    """The pictures that a query asks for, or their settings of a parameter, by the votes between them, the strongest first.

    Raises UserError for an unknown parameter, and where there are no votes.
    """
    parameter = None if by == PICTURE else find_parameter(by)
    name = None if parameter is None else parameter.name
    entries = {record.id: _entry(record, name) for record in records(store, f"({query}) has:wins" if query else "has:wins")}
    votes = [(entries[better], entries[worse]) for better, worse in store.votes(list(entries))]
    told = [pair for pair in votes if pair[0] != pair[1]]
    if not told:
        what = "pictures" if parameter is None else f"pictures that differ in {parameter.name}"
        raise UserError(f"there are no votes between such {what}; give some: aldente mark ID --better-than OTHER")
    wins, losses = Counter(better for better, _ in told), Counter(worse for _, worse in told)
    found = strengths(told)
    rows = [Ranked(name=name, chance=p / (1 + p), wins=wins[name], losses=losses[name]) for name, p in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.chance, row.name)))


def _entry(record: Record, parameter: str | None) -> str:
    return record.id if parameter is None else text_of(get_parameter(record.recipe, parameter))


def strengths(votes: Sequence[tuple[str, str]]) -> Mapping[str, float]:
    """The strength of each entry of votes (better, worse): ``a`` wins against ``b`` with the chance a / (a + b).

    Everyone has also won and lost once against an entry of strength 1, so that strengths are finite. Found by
    minorisation and maximisation [Hunter 2004, Sec. 2].
    """
    met: dict[str, Counter[str]] = defaultdict(Counter)
    won: Counter[str] = Counter()
    for better, worse in votes:
        met[better][worse] += 1
        met[worse][better] += 1
        won[better] += 1
    found = dict.fromkeys(met, 1.0)
    for _ in range(MOST_ROUNDS):
        new = {
            name: (won[name] + 1) / (2 / (p + 1) + sum(often / (p + found[other]) for other, often in met[name].items()))
            for name, p in found.items()
        }
        settled = max(abs(new[name] / found[name] - 1) for name in found) < SETTLED
        found = new
        if settled:
            break
    return found
