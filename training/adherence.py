"""Is the right caption scored above a wrong one? Questions about held-out pictures, by how the wrong caption is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from training.matching import ANY

SEED = 7


@dataclass(frozen=True, kw_only=True)
class Question:
    """A picture on one of its backgrounds, a right and a wrong caption by number, and in what way that one is wrong."""

    kind: str
    row: int
    slot: int
    right: int
    wrong: int


class Asker:
    """Draws wrong captions for pictures.

    It is given what every caption says (n 3), MiniLM's vectors of the captions, and the wrong concepts to draw from.
    """

    def __init__(self, facts: np.ndarray, vectors: np.ndarray, among: Sequence[int]) -> None:
        self._facts, self._among, self._chance = facts, list(among), random.Random(SEED)
        bare = np.flatnonzero((facts[:, 1:] == ANY).all(axis=1))
        self._called = {int(facts[number, 0]): vectors[number].astype(np.float32) for number in bare}
        self._of: dict[int, list[int]] = {}
        for number, about in enumerate(facts[:, 0].tolist()):
            self._of.setdefault(about, []).append(number)

    def ask(self, row: int, slot: int, concept: int, style: int, background: int) -> Iterator[Question]:
        """One question of each kind about a picture, wherever there is such a wrong caption."""
        right = self._chance.choice(self._fitting(concept, style, background))
        told = (style, int(self._facts[right, 2]))
        others = self._chance.sample(self._among, len(self._among))
        others = [about for about in others if about != concept]
        wrongs = {
            "other": self._of[others[0]] if others else [],
            "concept": next((found for about in others if (found := self._saying(about, told))), []),
            "near": next((found for about in self._nearest(concept, others) if (found := self._saying(about, told))), []),
            "style": [n for n in self._of[concept] if self._facts[n, 1] not in (ANY, style) and self._facts[n, 2] == told[1]],
            "background": [n for n in self._of[concept] if self._facts[n, 1] == style and self._contradicts(n, told[1])],
        }
        for kind, found in wrongs.items():
            if found:
                yield Question(kind=kind, row=row, slot=slot, right=right, wrong=self._chance.choice(found))

    def _fitting(self, concept: int, style: int, background: int) -> list[int]:
        """Captions that are right and name the style, and the background where there are such and it is coloured."""
        named = self._saying(concept, (style, background))
        if background and named:
            return named
        return named + self._saying(concept, (style, ANY))

    def _nearest(self, concept: int, others: Sequence[int]) -> list[int]:
        """The other concepts, those of the most like names first."""
        return sorted(others, key=lambda about: -float(self._called[about] @ self._called[concept]))

    def _saying(self, concept: int, told: tuple[int, int]) -> list[int]:
        return [number for number in self._of[concept] if tuple(self._facts[number, 1:]) == told]

    def _contradicts(self, number: int, background: int) -> bool:
        return background != ANY and self._facts[number, 2] not in (ANY, background)


def questions(cache: Mapping[str, np.ndarray], concept: np.ndarray, style: np.ndarray, asked: np.ndarray) -> list[Question]:
    """One question of each kind about each picture that is ``asked``, on one of its backgrounds.

    ``other`` is any caption of another concept; ``concept`` one of the same style and background, ``near`` the one of
    these whose concept is called most alike; ``style`` and ``background`` are right but for that. Wrong concepts are
    drawn from those that are asked about.
    """
    rows, shown = np.flatnonzero(asked).tolist(), cache["shown"]
    asker = Asker(cache["facts"], cache["vectors"], sorted({int(concept[row]) for row in rows}))
    chance = random.Random(SEED)
    found: list[Question] = []
    for row in rows:
        slot = chance.randrange(shown.shape[1])
        found += asker.ask(row, slot, int(concept[row]), int(style[row]), int(shown[row, slot]))
    return found


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """The area under the ROC curve: how often a right caption is scored above a wrong one, ties by half [Hanley 1982]."""
    ranks = rankdata(np.concatenate([right, wrong]))[: len(right)]
    return float((ranks.sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


def areas(asked: Sequence[Question], right: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """The area by kind of question, and of all of them."""
    kinds = np.asarray([question.kind for question in asked])
    by_kind = {kind: area(right[kinds == kind], wrong[kinds == kind]) for kind in dict.fromkeys(kinds.tolist())}
    return by_kind | {"all": area(right, wrong)}


def calibrated(right: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Slope and offset that make the logit of a cosine that of being right [Platt 1999, Sec. 2]."""
    x, sign = np.concatenate([right, wrong]).astype(float), np.repeat([1.0, -1.0], [len(right), len(wrong)])

    def doubt(found: np.ndarray) -> float:
        return float(np.logaddexp(0, -sign * (found[0] * x + found[1])).mean() + 1e-4 * np.square(found).sum())

    slope, offset = minimize(doubt, np.asarray([10.0, -3.0])).x
    return float(slope), float(offset)
