"""The enlarger and the scorer, small, through their stages: learned, exported, used, and learned on from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training.adherence import area, areas, calibrated, questions
from training.matching import ANY, BACKGROUNDS, CACHE, captions, concept_names
from training.shape import EnlargerShape, ScorerShape
from training.weights import AUTOENCODER, ENLARGER, SCORER, export, read, shipped

from aldente.models.pastina.enlarger import Enlarger
from aldente.models.pastina.scorer import Scorer
from training import large, matching, pictures, stages


def pacing(seed=0) -> stages.Pacing:
    return stages.Pacing(seed=seed, minutes=None, checkpoint_minutes=1.0, device=torch.device("cpu"), compiled=False)


@pytest.fixture(scope="module")
def learned(config, work):
    torch.manual_seed(0)
    pictures.build(config, work)
    stages.learn_autoencoder(config, work, pacing(), shipped=False)
    stages.learn_enlarger(config, work, pacing(), shipped=False)
    stages.learn_scorer(config, work, pacing(), shipped=False)
    return work


@pytest.fixture(scope="module")
def exported(learned, tmp_path_factory):
    return export(learned, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def asked(config, learned):
    cache = np.load(learned / CACHE)
    _, index = large.load(learned)
    names, styles = concept_names(index), [style.name for style in config.styles]
    concept = np.asarray([names.index(picture.concept.name) for picture in index])
    style = np.asarray([styles.index(picture.style) for picture in index])
    every = np.ones(len(index), bool)
    return questions(cache, concept, style, every), cache, concept, style


def test_large_pictures_shrink_to_the_small_ones(learned):
    pixels, index = large.load(learned)
    assert pixels.shape == (20, 256, 256, 4)
    small, again = pictures.load(learned)
    assert [p.concept for p in index] == [p.concept for p in again]
    difference = np.abs(large.shrunk(pixels).astype(int) - small)
    assert difference[..., 3].mean() < 1.0


def test_learning_leaves_weights_checkpoints_and_a_sheet(learned):
    for name in (ENLARGER, SCORER, CACHE, "enlarger.png", "enlarger.checkpoint.pt", "scorer.checkpoint.pt"):
        assert (learned / name).stat().st_size > 0
    assert not list(learned.glob("*.part"))


def test_the_exported_enlarger_computes_what_the_network_does(learned, exported):
    from training.enlarger_network import Enlarger as Network
    from training.shape import EnlargerShape

    weights, about = read(learned / ENLARGER)
    network = Network(EnlargerShape.from_text(about))
    network.load_state_dict({name: torch.from_numpy(value).half().float() for name, value in weights.items()})
    for shape in ((64, 64), (48, 80)):
        image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
        with torch.no_grad():
            planes = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1)[0]
        wanted = (planes.clamp(-1, 1) + 1).permute(1, 2, 0).numpy() * 127.5
        assert np.abs(Enlarger(weights=exported).enlarge(image) - wanted).max() < 0.51


def test_the_enlarger_looks_no_further_than_it_says(learned, exported):
    _, about = read(learned / ENLARGER)
    reach = int(about["reach"])
    enlarger = Enlarger(weights=exported)
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    tile = enlarger.enlarge(image[:, : 20 + reach])[:, : 4 * 20]
    assert np.array_equal(tile, enlarger.enlarge(image)[:, : 4 * 20])


def test_the_exported_scorer_computes_what_the_network_does(learned, exported):
    from training.scorer_network import Scorer as Network
    from training.shape import ScorerShape

    weights, about = read(learned / SCORER)
    network = Network(ScorerShape.from_text(about))
    network.load_state_dict({name: torch.from_numpy(value).half().float() for name, value in weights.items()})
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    vector = torch.from_numpy(matching.MiniLM().embed(["a red disc"]))
    with torch.no_grad():
        seen = network.look(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1)
        likeness = [(a * b).sum() for a, b in zip(seen, network.listen(vector), strict=True)]
        wanted = torch.sigmoid(torch.stack(network.logits(likeness))).prod()
    assert Scorer(weights=exported).score([image], ["a red disc"])[0] == pytest.approx(float(wanted), abs=1e-5)


def test_the_scorer_learns_to_tell_right_from_wrong(asked, exported):
    found, cache, _, _ = asked
    scorer = Scorer(weights=exported)
    colours = list(BACKGROUNDS.values())
    images = [pictures.on_background(cache["pixels"][q.row], colours[cache["shown"][q.row, q.slot]]) for q in found]
    right, wrong = (
        scorer.score(images, [str(cache["texts"][q]) for q in told])
        for told in zip(*((q.right, q.wrong) for q in found), strict=True)
    )
    assert areas(found, right, wrong)["all"] > 0.6


@pytest.mark.parametrize(("name", "path"), [("enlarger", ENLARGER), ("scorer", SCORER)])
def test_exported_graphs_hold_the_weights(learned, exported, name, path):
    weights, about = read(learned / path)
    again, told = shipped(name, exported)
    assert told == about
    assert weights.keys() - again.keys() <= {"contrast"}
    assert all(np.allclose(again[key], weights[key], rtol=1e-3, atol=1e-6) for key in again)


def test_training_goes_on_from_the_shipped_weights(config, learned, tmp_path):
    for name in (large.FOLDER, CACHE, AUTOENCODER):
        (tmp_path / name).symlink_to(learned / name)
    pace = replace(config.scorer_pace, pictures=8, batch=8, rate=1e-6)
    whole = replace(config, enlarger=EnlargerShape(), enlarger_pace=pace, scorer=ScorerShape(), scorer_pace=pace)
    stages.learn_enlarger(whole, tmp_path, pacing(), shipped=True)
    stages.learn_scorer(whole, tmp_path, pacing(), shipped=True)
    for name, path in (("enlarger", ENLARGER), ("scorer", SCORER)):
        weights, known = read(tmp_path / path)[0], shipped(name)[0]
        apart = {"slope", "offset"}
        assert all(np.allclose(weights[key], known[key], atol=1e-5) for key in known.keys() - apart)


def test_wrong_captions_are_wrong_in_the_way_they_say(asked):
    found, cache, concept, style = asked
    facts, shown = cache["facts"], cache["shown"]
    assert {question.kind for question in found} == {"other", "concept", "near", "style", "background"}
    for question in found:
        truth = (concept[question.row], style[question.row], shown[question.row, question.slot])
        assert all(said in (ANY, true) for said, true in zip(facts[question.right], truth, strict=True))
        differs = [a != b for a, b in zip(facts[question.right], facts[question.wrong], strict=True)]
        expected = [question.kind in ("concept", "near"), question.kind == "style", question.kind == "background"]
        assert differs[0] if question.kind == "other" else differs == expected


def test_every_caption_says_what_its_facts_say(config, learned):
    _, index = large.load(learned)
    names = concept_names(index)
    known = list(BACKGROUNDS)
    for caption in captions(index, config, matching.backgrounds(index, 0)):
        assert names[caption.concept] in caption.text
        assert (caption.style == ANY) == (not any(phrase in caption.text for s in config.styles for phrase in s.phrases))
        assert (caption.background == ANY) == ("background" not in caption.text)
        assert caption.background == ANY or f"{known[caption.background]} background" in caption.text


def test_the_area_counts_pairs_in_order():
    chance = np.random.default_rng(0)
    right, wrong = np.round(chance.normal(1, 1, 40), 1), np.round(chance.normal(0, 1, 30), 1)
    pairs = right[:, None] - wrong
    assert area(right, wrong) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_calibration_gives_back_the_probability_that_made_the_labels():
    chance = np.random.default_rng(0)
    x = chance.uniform(-1, 1, 40_000)
    truth = chance.random(40_000) < 1 / (1 + np.exp(-(6 * x - 1)))
    slope, offset = calibrated(x[truth], x[~truth])
    assert (slope, offset) == pytest.approx((6, -1), abs=0.2)
