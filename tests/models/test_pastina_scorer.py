"""The shipped scorer puts right captions above wrong ones, on pictures of concepts that it never saw."""

import numpy as np
import pytest
from held_out_emoji import COLOURS, NAMES, STYLES, small
from scipy.stats import mannwhitneyu

from aldente.engine.errors import UserError
from aldente.models.pastina.scorer import WEIGHTS, Scorer
from aldente.quality.adherence import Adherence
from aldente.studio.adherence import scorer_for


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(threads=2)


def area(right, wrong):
    """How often a right score is above a wrong one."""
    return mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong))


def caption(name, style, colour="white"):
    background = "" if colour == "white" else f" on a {colour} background"
    return f"a {name}{background}, {style}"


EVERY = [(name, style) for style in STYLES for name in NAMES]
OTHERS = [(NAMES[(NAMES.index(name) + 1 + 2 * STYLES.index(style)) % len(NAMES)], style) for name, style in EVERY]


def test_right_captions_score_above_captions_of_other_pictures(scorer):
    shown = [(*each, tuple(COLOURS)[number % 4]) for number, each in enumerate(EVERY)]
    images = [small(*each) for each in shown]
    others = [shown[(number + 7) % len(shown)] for number in range(len(shown))]
    right, wrong = (scorer.score(images, [caption(*said) for said in told]) for told in (shown, others))
    assert area(right, wrong) >= 0.9


def test_right_captions_score_above_those_of_other_concepts_in_the_same_style(scorer):
    images = [small(*shown) for shown in EVERY]
    right, wrong = (scorer.score(images, [caption(*said) for said in told]) for told in (EVERY, OTHERS))
    assert area(right, wrong) >= 0.8
    assert np.mean(right > wrong) >= 0.75


def test_right_captions_score_above_those_of_other_styles(scorer):
    images = [small(*shown) for shown in EVERY]
    other = [(name, STYLES[(STYLES.index(style) + 1) % 3]) for name, style in EVERY]
    right, wrong = (scorer.score(images, [caption(*said) for said in told]) for told in (EVERY, other))
    assert np.mean(right > wrong) >= 0.6


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_backgrounds_count(scorer, colour):
    images = [small(*shown, colour) for shown in EVERY]
    another = {"red": "blue", "green": "red", "blue": "green"}[colour]
    right, wrong = (scorer.score(images, [caption(*shown, said) for shown in EVERY]) for said in (colour, another))
    assert np.mean(right > wrong) >= 0.85


def test_scores_are_probabilities(scorer):
    images = [small(*shown) for shown in EVERY]
    scores = scorer.score(images, [caption(*shown) for shown in EVERY])
    assert scores.shape == (len(EVERY),)
    assert scores.dtype == np.float64
    assert np.all((scores > 0) & (scores < 1))


def test_a_score_does_not_depend_on_its_company(scorer):
    images = [small(*shown) for shown in EVERY[:4]]
    prompts = [caption(*shown) for shown in EVERY[:4]]
    together = scorer.score(images, prompts)
    alone = [Scorer(threads=1).score([image], [prompt])[0] for image, prompt in zip(images, prompts, strict=True)]
    assert together.tolist() == alone


def test_weights_of_words_and_further_parts_are_left_aside(scorer):
    image = small("bus", "flat vector")
    prompts = ["a bus, flat vector", "a (bus:1.3), flat vector", "a bus, flat vector AND a violin :0.5"]
    scores = scorer.score([image] * 3, prompts)
    assert scores.tolist() == [scores[0]] * 3


@pytest.mark.parametrize("shape", [(256, 256), (48, 48), (96, 64)])
def test_pictures_of_other_sizes_are_brought_to_its_own(scorer, shape):
    image = small("violin", "3d render", "green")
    pixels = np.kron(image, np.ones((4, 4, 1), np.uint8))
    if shape == (48, 48):
        pixels = image[8:56, 8:56]
    if shape == (96, 64):
        pixels = np.pad(image, ((16, 16), (0, 0), (0, 0)), mode="edge")
    assert pixels.shape[:2] == shape
    right, wrong = scorer.score([pixels] * 2, ["a violin on a green background", "a bus on a blue background"])
    assert right > wrong
    if shape == (256, 256):
        assert right == scorer.score([image], ["a violin on a green background"])[0]


def test_nothing_to_score_is_no_score(scorer):
    assert scorer.score([], []).shape == (0,)


def test_its_weights_are_small():
    assert (WEIGHTS / "scorer.onnx").stat().st_size <= 2_000_000


def test_the_metric_says_who_scored_by_which_weights():
    metric = scorer_for("pastina")
    assert isinstance(metric, Adherence)
    assert metric is scorer_for("embedded")
    assert metric.key == f"pastina-adherence@1+{metric.scorer.fingerprint[:16]}"
    images, prompts = [small("bus", "3d render")] * 2, ["a bus", "a volcano"]
    (right,), (wrong,) = (score.values() for score in metric.computed(images, prompts))
    assert right > wrong
    assert metric.compute(images[0], "a bus") == right


def test_unknown_models_have_no_scorer():
    with pytest.raises(UserError, match="model 'sdxl' is not known"):
        scorer_for("sdxl")
