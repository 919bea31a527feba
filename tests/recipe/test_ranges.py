"""Lists of values as users write them."""

from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.engine.errors import UserError
from aldente.recipe.ranges import expand_numbers, join_values, split_outside, split_values


def numbers(text, *, whole=False):
    return [float(n) if isinstance(n, Fraction) else n for n in expand_numbers(split_values(text), whole=whole)]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a, b,c", ("a", "b", "c")),
        ('"a, b",c', ("a, b", "c")),
        (r"a\, b,c", ("a, b", "c")),
        ("a, b || c", ("a, b", "c")),
        ('"a || b" || c', ("a || b", "c")),
        ('"she said ""hi""", x', ('she said "hi"', "x")),
        ('5" pipe, 6" pipe', ('5" pipe', '6" pipe')),
        ('"a" b, c', ('"a" b', "c")),
        ("a, SKIP: b, skip:c, d", ("a", "d")),
        ("a,,b", ("a", "", "b")),
        (r"\(a\), b\\", (r"\(a\)", r"b\\")),
        (r"a\|\|b || c", ("a||b", "c")),
        ("", ("",)),
    ],
)
def test_lists_are_split_where_they_are_meant(text, items):
    assert split_values(text) == items


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_joined_values_are_split_back(values):
    assert list(split_values(join_values(values))) == values


def test_a_quote_that_is_never_closed_is_told():
    with pytest.raises(UserError, match=r"the quote .*red, green.* is never closed"):
        split_values('blue, "red, green')


def test_text_is_cut_outside_quotes_only():
    assert split_outside('cfg=5,7 & prompt="a & b",c', "&") == ["cfg=5,7 ", ' prompt="a & b",c']


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5,7,9", [5, 7, 9]),
        ("5-8", [5, 6, 7, 8]),
        ("8-5", [8, 7, 6, 5]),
        ("0.1-0.3 (+0.1)", [0.1, 0.2, 0.3]),
        ("0.1 - 0.3 ( 0.1 )", [0.1, 0.2, 0.3]),
        ("10-5 (-1)", [10, 9, 8, 7, 6, 5]),
        ("10-5(2)", [10, 8, 6]),
        ("1-10 (+3)", [1, 4, 7, 10]),
        ("1e-3", [0.001]),
        ("1e-3-3e-3 (+1e-3)", [0.001, 0.002, 0.003]),
        ("-1", [-1]),
        ("-2--4", [-2, -3, -4]),
        ("-1-1", [-1, 0, 1]),
        ("5-15 [5]", [5, 7.5, 10, 12.5, 15]),
        ("0-1 [4]", [0, 1 / 3, 2 / 3, 1]),
        ("7-9 [1]", [7]),
        ("4-4", [4]),
        ("4-4 (-1)", [4]),
        ("1, 2, .., 6", [1, 2, 3, 4, 5, 6]),
        ("0.1, 0.2, ..., 0.5", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("3, .., 1", [3, 2, 1]),
        ("1, 3, .., 6", [1, 3, 5, 6]),
        ("10-8, .., 6", [10, 9, 8, 7, 6]),
        ("x, 5-7", ["x", 5, 6, 7]),
        ("5-", ["5-"]),
    ],
)
def test_ranges_are_exact(text, expected):
    assert numbers(text) == expected


def test_evenly_spaced_whole_numbers_are_rounded_halves_up():
    assert numbers("1-10 [5]", whole=True) == [1, 3, 6, 8, 10]


@given(st.integers(-500, 500), st.integers(0, 60), st.integers(1, 99), st.integers(0, 4))
def test_a_range_counts_in_decimal_and_never_drifts(first, count, step, places):
    scale = Fraction(1, 10**places)

    def written(number):
        sign, size = ("-" if number < 0 else ""), abs(number)
        whole, rest = divmod(size, 10**places)
        return f"{sign}{whole}.{rest:0{places}d}" if places else f"{sign}{whole}"

    last = first + count * step
    text = f"{written(first)}-{written(last)} (+{written(step)})"
    assert list(expand_numbers([text], whole=False)) == [(first + i * step) * scale for i in range(count + 1)]
    down = f"{written(last)}-{written(first)} (-{written(step)})"
    assert list(expand_numbers([down], whole=False)) == [(last - i * step) * scale for i in range(count + 1)]


@given(st.fractions(-1000, 1000, max_denominator=1), st.fractions(-1000, 1000, max_denominator=1), st.integers(2, 50))
def test_evenly_spaced_numbers_end_at_both_ends_with_equal_gaps(first, last, count):
    found = list(expand_numbers([f"{first}-{last} [{count}]"], whole=False))
    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert {b - a for a, b in pairwise(found)} == {(last - first) / (count - 1)}
    rounded = list(expand_numbers([f"{first}-{last} [{count}]"], whole=True))
    assert rounded == [floor(number + Fraction(1, 2)) for number in found]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5-10 (-1)", "never arrives: its step must be above 0"),
        ("10-5 (+1)", "never arrives: its step must be below 0"),
        ("5-10 (0)", "never arrives"),
        ("0-1 (+1e-9)", "has 1000000001 values; a range may have 1000000"),
        ("0-1 [0]", "has 0 values"),
        ("0-1 [9999999]", "has 9999999 values"),
        ("1, 2, .., -5", "never arrives at -5: it goes on from 2 by 1"),
        ("2, 2, .., 5", "never arrives"),
        (".., 5", "'..' stands between numbers"),
        ("1, .., .., 5", "'..' stands between numbers"),
        ("1, ..", "'..' stands between numbers"),
        ("1, .., x", "after '..' comes the number to stop at, not 'x'"),
        ("1, .., 5-7", "after '..' comes the number to stop at, not '5-7'"),
    ],
)
def test_a_range_that_leads_nowhere_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        numbers(text)


@settings(max_examples=1000, deadline=None)
@given(st.text(st.sampled_from('0123456789.-+e()[] ,|"\\&=x…')))
def test_no_list_breaks_the_reader(text):
    with suppress(UserError):
        values = list(expand_numbers(split_values(text), whole=False))
        assert all(isinstance(value, Fraction | str) for value in values)
