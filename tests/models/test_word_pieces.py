"""The word pieces are those of the library that everyone uses."""

from unicodedata import category, ucd_3_2_0

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.models.pastina.model import WEIGHTS
from aldente.models.pastina.word_pieces import WordPieces

OURS = WordPieces(WEIGHTS / "tokenizer.json")

TEXTS = [
    "",
    "a red apple, 3d render",
    "Pineapple wearing sunglasses!! (masterpiece:1.2)",
    "  tabs\tand\nnewlines\r ",
    "Crème brûlée à la carte, ÅNGSTRÖM",
    "東京タワー and 漢字",
    "naïve café — “quoted” … 100%",
    "[CLS] marks [SEP] written out [MASK]",
    "x" * 101,
    "x" * 100,
    "zero\u200bwidth and \u00a0 nbsp and \0 nul \ufffd",
    "İstanbul ΣΊΣΥΦΟΣ ß ﬁ",
    "emoji 🍎 apple",
    "don't e-mail me@x.org $5 a_b",
]


@pytest.fixture(scope="module")
def theirs():
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))
    reference.no_padding()
    reference.no_truncation()
    return lambda text: reference.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("text", TEXTS)
def test_known_texts_are_cut_alike(text, theirs):
    assert OURS.ids(text) == theirs(text)


# Characters that every version of Unicode classes alike: the two read tables of different years.
LETTERS = st.characters(codec="utf-8").filter(lambda c: ucd_3_2_0.category(c) == category(c) != "Cn")


@settings(max_examples=1500)
@given(text=st.text(st.one_of(LETTERS, st.sampled_from("aeiou rstln,.-'[]()#")), max_size=40))
def test_any_text_is_cut_alike(text, theirs):
    assert OURS.ids(text) == theirs(text)


def test_a_prompt_is_the_pieces_it_always_was():
    assert OURS.ids("a red apple, 3d render") == [1037, 2417, 6207, 1010, 7605, 17552]
