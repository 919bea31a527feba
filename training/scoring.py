"""Learning whether a caption is right of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training import large
from training.adherence import Question, areas, calibrated, questions
from training.config import Config
from training.loop import Averaged
from training.matching import ANY, BACKGROUNDS, CACHE, concept_names
from training.scorer_network import Scorer
from training.warping import warped
from training.weights import SCORER, write

NEIGHBOURS = 8
"""The concepts of most like name that a concept is contrasted with."""

REDRAWN_SHARE, WHITE_SHARE = 0.5, 0.5
TEXT_NOISE, TINT = 0.01, 0.06
CERTAINTY_GAIN = 1.0
NAMED_BACKGROUND_WEIGHT = 5


class Scoring:
    """The scorer, the pictures and captions it learns from, and the held-out ones that it is checked on."""

    def __init__(self, network: Scorer, config: Config, work: Path, device: torch.device) -> None:
        self.network = network.to(device)
        self._device = device
        cache = np.load(work / CACHE)
        _, index = large.load(work)
        self._table = {name: torch.from_numpy(cache[name]).to(device) for name in cache.files if name != "texts"}
        self._colours = torch.tensor(list(BACKGROUNDS.values()), device=device).float()
        styles, names = [style.name for style in config.styles], {name: n for n, name in enumerate(concept_names(index))}
        self._concept, self._style, self._mirrors = (
            torch.tensor(values, device=device)
            for values in zip(*((names[p.concept.name], styles.index(p.style), p.concept.mirrors) for p in index), strict=True)
        )
        parts = np.asarray([picture.part for picture in index])
        self._rows, self._rows_count, self._learnt = self._by_concept(parts == "train", len(names))
        self._near = self._neighbours()
        self._fitting, self._fitting_count = self._captions()
        shown_as = self._concept.cpu().numpy(), self._style.cpu().numpy()
        self._asked = {part: questions(cache, *shown_as, parts == part) for part in ("pair", "concept")}

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """The contrast of every picture of a batch with every caption [Radford 2021, Sec. 2.3], and the doubt about each pair.

        ``count`` is a multiple of eight.
        """
        rows = self._draw(count, chance)
        slots = torch.where(self._uniform(count, chance) < WHITE_SHARE, 0, self._whole(count, self._slots - 1, chance) + 1)
        choice = (self._uniform(count, chance) * self._fitting_count[rows, slots]).long()
        said = self._fitting[rows, slots, choice]
        text = self._table["vectors"][said].float()
        text = text + TEXT_NOISE * torch.randn(text.shape, generator=chance, device=self._device)
        pair = self.network.look(self._images(rows, slots, chance)), self.network.listen(text)
        likeness = [seen @ heard.T for seen, heard in zip(*pair, strict=True)]
        right = self._right(rows, slots, said)
        every = self.network.contrasted(likeness[0])
        contrast = every.masked_fill(~right[0], -1e4)
        missed = sum((every.logsumexp(way) - contrast.logsumexp(way)).mean() for way in (0, 1)) / 2
        return missed + CERTAINTY_GAIN * sum(map(_doubt, self.network.logits(likeness), right))

    @torch.inference_mode()
    def report(self, averaged: Averaged, place: Path) -> str:
        """Areas under the curve on held-out pictures; writes the averaged weights, calibrated on the held-out pairs."""
        network = Scorer(self.network.shape).to(self._device)
        network.load_state_dict(averaged)
        told, weights = [], {name: value.float().cpu().numpy().copy() for name, value in averaged.items()}
        for part, asked in self._asked.items():
            if not asked:
                continue
            likeness = self._likeness(network, asked)
            if part == "pair":
                for number, turning in _by_part(asked, *likeness):
                    weights["slope"][number], weights["offset"][number] = calibrated(*turning)
            scores = (_together(values * weights["slope"] + weights["offset"]) for values in likeness)
            told.append(f"{part} " + " ".join(f"{kind} {area:.3f}" for kind, area in areas(asked, *scores).items()))
        write(place / SCORER, weights, network.shape.to_text())
        return "; ".join(told)

    @property
    def _slots(self) -> int:
        return self._table["shown"].shape[1]

    def _likeness(self, network: Scorer, asked: list[Question]) -> tuple[np.ndarray, np.ndarray]:
        """The cosines (n 3) of each question's picture with its right and its wrong caption."""
        rows, slots, right, wrong = (
            torch.tensor([getattr(question, name) for question in asked], device=self._device)
            for name in ("row", "slot", "right", "wrong")
        )
        images = self._table["redrawn"][rows, slots].permute(0, 3, 1, 2).float() / 127.5 - 1
        seen = [torch.cat(parts) for parts in zip(*map(network.look, images.split(128)), strict=True)]
        heard = network.listen(self._table["vectors"].float())
        good, bad = (
            torch.stack([(a * b[said]).sum(1) for a, b in zip(seen, heard, strict=True)], 1).cpu().numpy()
            for said in (right, wrong)
        )
        return good, bad

    def _draw(self, count: int, chance: torch.Generator) -> Tensor:
        """Pictures by eights: four of a concept, to be told apart by style and background, four of one called alike."""
        concept = self._learnt[self._whole(count // 8, len(self._learnt), chance)]
        near = self._near[concept, self._whole(len(concept), self._near.shape[1], chance)]
        every = torch.cat([concept, near]).repeat(4)
        return self._rows[every, (self._uniform(len(every), chance) * self._rows_count[every]).long()]

    def _images(self, rows: Tensor, slots: Tensor, chance: torch.Generator) -> Tensor:
        """The pictures on their backgrounds, as packed or redrawn, warped and tinted: b 3 h w in [-1, 1]."""
        count = len(rows)
        pixels = self._table["pixels"][rows].float().permute(0, 3, 1, 2)
        opacity = pixels[:, 3:] / 255
        colour = self._colours[self._table["shown"][rows, slots]][..., None, None]
        laid = pixels[:, :3] * opacity + colour * (1 - opacity)
        redrawn = self._table["redrawn"][rows, slots].permute(0, 3, 1, 2).float()
        images = torch.where((self._uniform(count, chance) < REDRAWN_SHARE).view(-1, 1, 1, 1), redrawn, laid) / 127.5 - 1
        flipped = (self._uniform(count, chance) < 0.5) & self._mirrors[rows]
        images = warped(torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images), chance)
        tint = 1 + TINT * torch.randn((count, 3, 1, 1), generator=chance, device=self._device)
        return ((images - 1) * tint + 1).clamp(-1, 1)

    def _right(self, rows: Tensor, slots: Tensor, said: Tensor) -> list[Tensor]:
        """Whether each picture (row) is what each caption (column) says of concept, style and background."""
        truth = self._concept[rows], self._style[rows], self._table["shown"][rows, slots]
        told = self._table["facts"][said].T
        return [(claim == ANY) | (fact[:, None] == claim) for fact, claim in zip(truth, told, strict=True)]

    def _by_concept(self, learnt: np.ndarray, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """The rows to learn from of each concept, how many these are, and the concepts that have any."""
        of = self._concept.cpu().numpy()
        rows = [np.flatnonzero(learnt & (of == concept)) for concept in range(count)]
        table = np.zeros((count, max(map(len, rows))), np.int64)
        for concept, found in enumerate(rows):
            table[concept, : len(found)] = found
        counts = np.asarray([len(found) for found in rows])
        return tuple(torch.from_numpy(a).to(self._device) for a in (table, counts, np.flatnonzero(counts)))

    def _neighbours(self) -> Tensor:
        """The learnt concepts of most like names, by concept; itself alone where nothing else is learnt."""
        concept, style, background = self._table["facts"].T
        bare = torch.nonzero((style == ANY) & (background == ANY)).flatten()
        vectors = torch.zeros(len(self._rows), self._table["vectors"].shape[1], device=self._device)
        vectors[concept[bare]] = self._table["vectors"][bare].float()
        likeness = vectors @ vectors[self._learnt].T
        likeness[self._learnt, torch.arange(len(self._learnt), device=self._device)] = -1
        return self._learnt[likeness.topk(min(NEIGHBOURS, len(self._learnt) - 1)).indices]

    def _captions(self) -> tuple[Tensor, Tensor]:
        """The captions that are right of each picture on each background, the ones that name it oftener; and their count."""
        facts, shown = self._table["facts"].cpu().numpy(), self._table["shown"].cpu().numpy()
        of: dict[int, list[int]] = {}
        for number, concept in enumerate(facts[:, 0].tolist()):
            of.setdefault(concept, []).append(number)
        fitting = []
        for concept, style, backgrounds in zip(self._concept.tolist(), self._style.tolist(), shown.tolist(), strict=True):
            told = [number for number in of[concept] if facts[number, 1] in (ANY, style)]
            for background in backgrounds:
                free = [number for number in told if facts[number, 2] == ANY]
                named = [number for number in told if facts[number, 2] == background]
                fitting.append(free + named * (NAMED_BACKGROUND_WEIGHT if background else 1))
        longest = max(map(len, fitting))
        padded = np.asarray([(found * longest)[:longest] for found in fitting])
        shape = (*shown.shape, longest)
        counts = np.asarray([len(found) for found in fitting]).reshape(shown.shape)
        return torch.from_numpy(padded.reshape(shape)).to(self._device), torch.from_numpy(counts).to(self._device)

    def _uniform(self, count: int, chance: torch.Generator) -> Tensor:
        return torch.rand(count, generator=chance, device=self._device)

    def _whole(self, count: int, below: int, chance: torch.Generator) -> Tensor:
        return torch.randint(below, (count,), generator=chance, device=self._device)


def _doubt(logit: Tensor, right: Tensor) -> Tensor:
    """What is not known of each claim, right and wrong ones counting alike; nothing where all are right."""
    wrong = functional.softplus(logit[~right])
    return functional.softplus(-logit[right]).mean() + (wrong.mean() if len(wrong) else 0.0)


def _together(logits: np.ndarray) -> np.ndarray:
    """The logarithm of the probability that all of it is right."""
    return -np.logaddexp(0, -logits).sum(axis=1)


def _by_part(
    asked: Sequence[Question], right: np.ndarray, wrong: np.ndarray
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """The right and wrong cosines of concept, style and background by number, where any question turns on them."""
    kinds = np.asarray([question.kind for question in asked])
    for part, turning in enumerate((("other", "concept", "near"), ("style",), ("background",))):
        chosen = np.isin(kinds, turning)
        if chosen.any():
            yield part, (right[chosen, part], wrong[chosen, part])
