"""Labels: the common part said once, every line inside its box, nothing lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.report import typeface
from aldente.report.labels import caption, differences, factored, fitted

WORDS = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)


def test_what_all_prompts_share_is_said_once():
    found = factored(["a red castle at dawn, 3d render", "a blue castle at dawn, 3d render", "a castle at dawn, 3d render"])
    assert found.values == ("red", "blue", "(none)")
    assert found.frame == "a … castle at dawn, 3d render"


@pytest.mark.parametrize(
    "values",
    [
        ["DPM++ 2M", "DPM++ SDE"],
        ["a rather long single prompt, 3d render"],
        ["one thing entirely, without end", "another matter altogether"],
        ["the very same long words again", "the very same long words again"],
    ],
)
def test_labels_with_nothing_to_win_are_left_alone(values):
    assert factored(values).values == tuple(values)
    assert factored(values).frame == ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="ab ,;", max_size=40), min_size=1, max_size=5))
def test_factoring_never_makes_two_labels_the_same(values):
    assert len(set(factored(values).values)) == len(set(values))


@settings(max_examples=80, deadline=None)
@given(WORDS, st.integers(30, 400), st.sampled_from([12, 17, 36]))
def test_wrapped_lines_fit_and_keep_every_letter(words, room, size):
    face = typeface.font(size, "bold")
    shown = typeface.drawable(words)
    lines = typeface.wrap(shown, face, max(room, 2 * size))
    assert all(typeface.width(line, face) <= max(room, 2 * size) for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


@settings(max_examples=80, deadline=None)
@given(WORDS, st.integers(0, 200))
def test_shortened_words_fit(words, room):
    face = typeface.font(14)
    assert typeface.width(typeface.shorten(typeface.drawable(words), face, room), face) <= room


def test_a_label_that_is_cut_carries_a_key_and_its_full_text():
    long = "a very old castle in the rain seen from far away with a thousand windows lit from inside"
    short, cut, other = fitted(["dawn", long, long + "!"], typeface.font(14), max_width=150, max_lines=2, first_key=3)
    assert (short.key, short.lines) == (0, ("dawn",))
    assert (cut.key, other.key) == (3, 4)
    assert cut.lines[0].startswith("[3] a very")
    assert cut.lines[-1].endswith("…")
    assert cut.full == long
    assert len(cut.lines) == 2


def test_what_the_font_cannot_draw_becomes_boxes_and_breaks_nothing():
    assert typeface.drawable("a 猫の城のよう castle\n\tat\x00 dawn") == "a ▯▯▯ castle at dawn"
    assert typeface.drawable("été Ωμέγα Привет") == "été Ωμέγα Привет"


def test_differences_part_the_common_from_the_own():
    common, own = differences([{"Steps": "4", "Seed": "1", "Eta": "0"}, {"Steps": "8", "Seed": "1"}])
    assert common == {"Seed": "1"}
    assert own == ({"Steps": "4", "Eta": "0"}, {"Steps": "8"})
    assert differences([]) == ({}, ())
    assert caption({"Seed": "1", "Negative": "", "Size": "64 × 64"}) == "Seed 1  ·  Size 64 × 64"
