"""How far the scorer can be believed: right against wrong captions of held-out pictures, and beside a judge of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from aldente.models.pastina.model import Pastina
from aldente.models.pastina.scorer import Scorer
from training import large, matching, pictures
from training.adherence import Question, areas, questions
from training.config import Config
from training.evaluate import BATCH, Asked, Judge
from training.evaluate import questions as prompts_of
from training.matching import BACKGROUNDS, CACHE, concept_names
from training.sheet import draw

PARTS = {"pair": "unseen (concept, style) pair", "concept": "unseen concept"}

SCALES = (1.0, 2.0, 4.5, 8.0, 14.0)
"""CFG scales over which the mean score is told."""


def check_scorer(config: Config, work: Path, weights: Path, seed: int, limit: int = 120) -> str:
    """Tables of areas under the curve by kind of wrong caption, of calibration, and of what it says about drawn pictures."""
    if not (work / CACHE).exists():
        matching.prepare(config, work, seed)
    scorer = Scorer(weights=weights)
    return "\n".join([*_held_out(config, work, scorer), *_drawn(config, work, weights, scorer, seed, limit)])


def _held_out(config: Config, work: Path, scorer: Scorer) -> list[str]:
    cache = dict(np.load(work / CACHE).items())
    _, index = large.load(work)
    names, styles = concept_names(index), [style.name for style in config.styles]
    concept = np.asarray([names.index(picture.concept.name) for picture in index])
    style = np.asarray([styles.index(picture.style) for picture in index])
    kinds = ("other", "concept", "near", "style", "background", "all")
    lines = [f"{'area under the curve':40} {'count':>5} " + " ".join(f"{kind:>10}" for kind in kinds) + f" {'off by':>8}"]
    for part, title in PARTS.items():
        asked = questions(cache, concept, style, np.asarray([picture.part == part for picture in index]))
        for way, images in _images(cache, asked).items():
            right, wrong = (_scores(scorer, images, cache["texts"], told) for told in _told(asked))
            numbers = _numbers(areas(asked, right, wrong), kinds)
            lines.append(f"{f'{title}, {way}':40} {len(asked):5} {numbers} {miscalibration(right, wrong):8.3f}")
            won = {kind: float((right > wrong)[[q.kind == kind for q in asked]].mean()) for kind in kinds[:-1]}
            lines.append(f"{'  of the same picture, right above wrong':40} {'':5} {_numbers(won, kinds)}")
    return lines


def _numbers(found: Mapping[str, float], kinds: Sequence[str]) -> str:
    return " ".join(f"{found[kind]:10.3f}" if kind in found else " " * 10 for kind in kinds)


def _told(asked: Sequence[Question]) -> tuple[list[int], list[int]]:
    return [question.right for question in asked], [question.wrong for question in asked]


def _scores(scorer: Scorer, images: Sequence[np.ndarray], texts: np.ndarray, told: Sequence[int]) -> np.ndarray:
    return scorer.score(images, [str(texts[number]) for number in told])


def _images(cache: dict[str, np.ndarray], asked: Sequence[Question]) -> dict[str, list[np.ndarray]]:
    """The pictures asked about as packed, and as pastina would draw them."""
    colours = list(BACKGROUNDS.values())
    backgrounds = [colours[cache["shown"][question.row, question.slot]] for question in asked]
    pairs = zip(asked, backgrounds, strict=True)
    plain = [pictures.on_background(cache["pixels"][question.row], colour) for question, colour in pairs]
    return {"plain": plain, "drawn": [cache["redrawn"][question.row, question.slot] for question in asked]}


def miscalibration(right: np.ndarray, wrong: np.ndarray, bins: int = 10) -> float:
    """The mean distance of the score from the share of right captions among those of like score [Naeini 2015, Sec. 2]."""
    scores, truth = np.concatenate([right, wrong]), np.repeat([1.0, 0.0], [len(right), len(wrong)])
    place = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(scores[place == b].sum() - truth[place == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(scores))


def _drawn(config: Config, work: Path, weights: Path, scorer: Scorer, seed: int, limit: int) -> list[str]:
    model, judge = Pastina(weights=weights), Judge(work)
    _, index = pictures.load(work)
    chance = random.Random(seed)
    lines, every_score, every_rank = [], [], []
    for kind, asked in prompts_of(config, index).items():
        chosen = chance.sample(asked, min(limit, len(asked)))
        images = _pictures(model, chosen, seed, 4.5)
        scores = scorer.score(images, [question.prompt for question in chosen])
        ranks = judge.ranks(images, [question.concept for question in chosen])
        every_score.append(scores)
        every_rank.append(ranks)
        lines.append(f"{kind:34} {len(chosen):5} {scores.mean():7.3f} {correlation(scores, ranks):12.2f}")
    together = correlation(np.concatenate(every_score), np.concatenate(every_rank))
    head = f"{'drawn pictures':34} {'count':>5} {'score':>7} {'with judge':>12}"
    total = sum(map(len, every_score))
    return [
        head,
        *lines,
        f"{'all':34} {total:5} {np.concatenate(every_score).mean():7.3f} {together:12.2f}",
        _by_scale(model, scorer, chance.sample(prompts_of(config, index)["training caption"], min(limit, 48)), seed),
    ]


def _by_scale(model: Pastina, scorer: Scorer, asked: Sequence[Asked], seed: int) -> str:
    prompts = [question.prompt for question in asked]
    means = [float(scorer.score(_pictures(model, asked, seed, scale), prompts).mean()) for scale in SCALES]
    return "mean score by CFG: " + ", ".join(f"{scale:g}: {mean:.3f}" for scale, mean in zip(SCALES, means, strict=True))


def _pictures(model: Pastina, asked: Sequence[Asked], seed: int, scale: float) -> list[np.ndarray]:
    images: list[np.ndarray] = []
    for start in range(0, len(asked), BATCH):
        prompts = [question.prompt for question in asked[start : start + BATCH]]
        images += draw(model, prompts, seed=seed + start, scale=scale)
    return images


def correlation(scores: np.ndarray, ranks: np.ndarray) -> float:
    """Spearman's rank correlation of the scores with how near the judge places the asked concept."""
    return float(spearmanr(scores, -ranks).statistic)
