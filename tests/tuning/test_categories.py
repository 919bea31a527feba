"""Recognising content: right on held-out prompts as often as stated, sure only where that is justified, for any encoder."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from aldente.engine.errors import UserError
from aldente.models.pastina.sentences import MiniLM
from aldente.recipe.presets import folklore
from aldente.tuning import categories as module
from aldente.tuning.categories import Category, Recogniser, categories, find_category, subject_of, sureness

HERE = Path(__file__).parent


def labelled(name):
    facts = tomllib.loads((HERE / name).read_text())
    return [(prompt, category) for category, prompts in facts.items() for prompt in prompts]


HELD_OUT = labelled("prompts_labelled.toml")
CALIBRATING = labelled("prompts_calibrating.toml")


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser(MiniLM(threads=1))


@pytest.fixture(scope="module")
def found(recogniser):
    return [(recogniser.recognise(prompt), category) for prompt, category in HELD_OUT]


def test_held_out_prompts_are_recognised(found):
    right = [one.category == category for one, category in found]
    assert len(right) >= 100
    assert np.mean(right) >= 0.85, [(o.like, o.category, c) for o, c in found if o.category != c]


def test_what_is_called_sure_is_mostly_right_and_mistakes_are_less_sure(found):
    sure = [one.category == category for one, category in found if one.sure]
    assert len(sure) >= 0.75 * len(found)
    assert np.mean(sure) >= 0.9
    right = [one.sureness for one, category in found if one.category == category]
    wrong = [one.sureness for one, category in found if one.category != category]
    assert np.mean(right) > np.mean(wrong) + 0.1


def test_the_stated_sureness_is_that_of_held_out_prompts(found):
    said = np.mean([one.sureness for one, _ in found])
    assert said == pytest.approx(np.mean([one.category == category for one, category in found]), abs=0.06)


def test_the_line_of_sureness_is_the_fit_to_the_calibrating_prompts(recogniser):
    looked = [(recogniser.recognise(prompt), category) for prompt, category in CALIBRATING]
    logits = [np.log(one.sureness / (1 - one.sureness)) for one, _ in looked]
    margins = np.array([(logit - module.INTERCEPT) / module.SLOPE for logit in logits])
    signs = np.array([1.0 if one.category == category else -1.0 for one, category in looked])

    def loss(line):
        return np.logaddexp(0.0, -signs * (line[0] + line[1] * margins)).sum()

    fitted = optimize.minimize(loss, [0.0, 10.0]).x
    assert loss([module.INTERCEPT, module.SLOPE]) <= loss(fitted) + 0.05


def test_no_prompt_of_the_tests_is_an_example():
    examples = {phrase for category in categories() for phrase in category.examples}
    tried = [prompt for prompt, _ in HELD_OUT + CALIBRATING]
    assert examples.isdisjoint(tried)
    assert len(set(tried)) == len(tried)
    assert {category for _, category in HELD_OUT} == {category.name for category in categories()}


def test_nonsense_is_not_sure(recogniser):
    assert not recogniser.recognise("qwx zzt 17").sure
    assert "not sure" in recogniser.recognise("qwx zzt 17").sentence()


def test_a_style_after_a_comma_does_not_hide_the_subject(recogniser):
    for style in ("", ", 3d render", ", flat vector", ", cartoon emoji", ", 4k, trending, highly detailed"):
        assert recogniser.recognise(f"hamburger{style}").category == "food"


def test_long_prompts_are_read(recogniser):
    long = "a basket of ripe tomatoes and basil, " + "soft light, " * 200
    assert recogniser.recognise(long).category == "food"


def test_the_folklore_of_a_category_is_there():
    assert {category.folklore for category in categories() if category.folklore} <= set(folklore())


def test_a_category_is_found_by_name_and_a_typing_error_is_told():
    assert find_category(" Portrait ").name == "portrait"
    with pytest.raises(UserError, match="did you mean 'portrait'"):
        find_category("portrat")


def test_the_recorded_examples_are_what_the_encoder_makes_of_them(monkeypatch):
    encoder = MiniLM(threads=1)
    stored = module.vectors_of(encoder, categories())
    cosines = (stored * encoder.embed(module.phrases_of(categories()))).sum(axis=1)
    assert cosines.min() > 0.98, "run: python tests/tuning/record_categories.py"
    monkeypatch.setattr(MiniLM, "embed", lambda *_: pytest.fail("the examples were read again"))
    Recogniser(encoder)


def test_other_examples_are_read_by_the_encoder():
    known = [
        Category(name="boat", title="boats", examples=("a boat",) * 5),
        Category(name="cat", title="c", examples=("cat",) * 5),
    ]
    assert Recogniser(MiniLM(threads=1), known).recognise("a sailing boat at sea").category == "boat"


def test_another_encoder_serves():
    class Letters:
        name = "letters"

        def embed(self, texts):
            rows = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32) + 0.01
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    known = [Category(name=letter, title=letter, examples=(letter, letter * 2)) for letter in "abc"]
    assert Recogniser(Letters(), known).recognise("bbb").category == "b"


def test_sureness_grows_with_the_margin_and_subjects_stand_first():
    assert sureness(0.0) < sureness(0.05) < sureness(0.3) < 1.0
    assert subject_of("a cat, 3d render") == "a cat"
    assert subject_of(", odd") == ", odd"
