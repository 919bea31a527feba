"""Templates: counted before anything is drawn, every text found by its number, the same seed the same text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.recipe.template import Choice, Fixed, Row, Said, Text, count, drawn, longest, nth


def text(words):
    return Text(text=words)


def choice(*options, weights=None, **facts):
    made = tuple(text(one) if isinstance(one, str) else one for one in options)
    return Choice(options=made, weights=tuple(weights or [1.0] * len(made)), **facts)


leaves = st.text(alphabet="abc", max_size=2).map(text)
templates = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: Row(parts=tuple(parts))),
        st.tuples(st.lists(inner, min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 4)).map(
            lambda made: choice(
                *made[0], low=min(sorted(made[1:])[0], len(made[0])), high=min(sorted(made[1:])[1], len(made[0]))
            )
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None)  # a template of hundreds of texts takes its time
@given(templates, st.integers(0, 1000))
def test_what_is_drawn_is_one_of_the_counted_texts(template, seed):
    many = count(template)
    if many > 500:
        return
    every = [nth(template, number) for number in range(many)]
    assert drawn(template, seed % 7, seed=seed) in every
    assert max(map(len, every)) <= longest(template)


def test_choices_of_several_are_sets_in_the_order_written():
    three = choice("a", "b", "c", low=2, high=2, separator=" and ")
    assert [nth(three, n) for n in range(count(three))] == ["a and b", "a and c", "b and c"]
    some = choice("a", "b", low=0, high=2, separator="+")
    assert [nth(some, n) for n in range(count(some))] == ["", "a", "b", "a+b"]


def test_nested_choices_multiply():
    inner = choice("x", "y")
    pair = choice("a", inner, low=2, high=2)
    assert [nth(pair, n) for n in range(count(pair))] == ["a,x", "a,y"]
    assert count(Row(parts=(inner, inner, inner))) == 8


def test_what_is_fixed_is_the_same_everywhere():
    value = choice("a", "b")
    said = Said(name="v", value=value)
    both = Fixed(name="v", value=value, rest=Row(parts=(said, text("-"), said)))
    assert [nth(both, n) for n in range(count(both))] == ["a-a", "b-b"]
    assert {drawn(both, n, seed=1) for n in range(20)} == {"a-a", "b-b"}


def test_counts_too_large_to_go_through_are_exact():
    huge = Row(parts=(choice("a", "b"),) * 300)
    assert count(huge) == 2**300
    assert nth(huge, 2**300 - 1) == "b" * 300


def test_the_same_seed_draws_the_same_everywhere():
    template = Row(parts=(choice("a", "b", "c"), choice("d", "e", "f")))
    assert [drawn(template, n, seed=42) for n in range(6)] == ["ae", "cf", "bf", "ce", "ae", "cd"]


def test_weights_are_shares():
    template = choice("often", "seldom", weights=(9.0, 1.0))
    often = sum(drawn(template, n, seed=0) == "often" for n in range(2000))
    assert often == pytest.approx(1800, abs=60)
    assert {drawn(choice("never", "always", weights=(0.0, 1.0)), n, seed=0) for n in range(50)} == {"always"}


def test_turns_go_round_and_random_ones_are_not_counted():
    assert [drawn(choice("a", "b", "c", turn="@"), n, seed=5) for n in range(4)] == ["a", "b", "c", "a"]
    mixed = Row(parts=(choice("a", "b", turn="~"), choice("c", "d")))
    assert count(mixed) == 2
    assert [nth(mixed, n)[1] for n in range(2)] == ["c", "d"]
