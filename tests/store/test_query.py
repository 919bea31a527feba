"""Queries are read as they are meant, and what cannot be read is pointed at."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import database

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.store.query import Compare, Every, Except, moments, parse_query
from aldente.testing.store_contract import drawn, failing, recipe

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def said(part):
    """The tree as nested lists."""
    if isinstance(part, Compare):
        return f"{part.name}{part.operator}{part.value}"
    if isinstance(part, Except):
        return ["not", said(part.part)]
    return ["and" if isinstance(part, Every) else "or", *(said(one) for one in part.parts)]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", ["and"]),
        ("steps>=20", "steps>=20"),
        ("steps >= 20", "steps>=20"),
        ("steps==20", "steps=20"),
        ('"CFG scale" < 7', "CFG scale<7"),
        ("a=1 b=2", ["and", "a=1", "b=2"]),
        ("a=1 AND b=2 or c=3", ["or", ["and", "a=1", "b=2"], "c=3"]),
        ("a=1 (b=2 or c=3)", ["and", "a=1", ["or", "b=2", "c=3"]]),
        ("not a=1 b=2", ["and", ["not", "a=1"], "b=2"]),
        ("not (a=1 b=2)", ["not", ["and", "a=1", "b=2"]]),
        ("since 7d", "created>=7d"),
        ("a=1 since 2026-11-01 until 2h", ["and", "a=1", "created>=2026-11-01", "created<2h"]),
        ('"red apple"', "prompt~red apple"),
        ('prompt~"with \\"quotes\\" and \\\\"', 'prompt~with "quotes" and \\'),
        ("prompt!~cat tag:hero", ["and", "prompt!~cat", "tag:hero"]),
        ("prompt=a=b<c", "prompt=a=b<c"),
        ("created>=2026-11-01T12:30", "created>=2026-11-01T12:30"),
        ("since=3", "since=3"),
        ("ünïcode~ß", "ünïcode~ß"),
    ],
)
def test_queries_are_read(text, tree):
    assert said(parse_query(text).part) == tree


@pytest.mark.parametrize(
    ("text", "why", "mark"),
    [
        ("steps", "'steps' is compared with nothing; write steps=...", "  steps\n  ^^^^^"),
        ("steps>=", "a value is missing here", "  steps>=\n         ^"),
        ("steps>=20 and", "the query ends where something like steps>=20 was expected", "  steps>=20 and\n               ^"),
        ("(a=1 or b=2", "this bracket is never closed", "  (a=1 or b=2\n  ^"),
        ("a=1)", r"'\)' stands where 'and', 'or' or the end was expected", "  a=1)\n     ^"),
        ('prompt~"never', "a value is missing|never closed", '  prompt~"never\n         ^'),
        ("or a=1", "'or' stands where something like steps>=20 was expected", "  or a=1\n  ^^"),
        ("a!1", "'!' stands alone", "  a!1\n   ^"),
        ("(" * 60 + "a=1" + ")" * 60, "nested more than 50 deep", "^"),
        ("a=1 " * 300, "more than 200 things are compared", "^"),
        ("x" * 20_000, "too long", ""),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text, why, mark):
    with pytest.raises(UserError, match=why) as caught:
        parse_query(text)
    assert mark in str(caught.value)


def test_times_are_read():
    day = timedelta(days=1)
    assert moments("7d", NOW) == (NOW - 7 * day, NOW - 7 * day)
    assert moments("1.5h", NOW)[0] == NOW - timedelta(minutes=90)
    assert moments("2026-11-01", NOW) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
    assert moments("yesterday", NOW) == (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
    assert moments("2026-11-01T12:30+02:00", NOW)[0] == datetime(2026, 11, 1, 10, 30, tzinfo=UTC)
    assert [moments(text, NOW) for text in ("soon", "", "999999y", "2026-13-01")] == [None] * 4


OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
COLUMNS = {
    "steps": lambda record: record.recipe.sampling.steps,
    "cfg": lambda record: record.recipe.sampling.guidance.scale,
    "seed": lambda record: record.recipe.seed,
    "eta": lambda record: record.recipe.sampling.eta,
    "rating": lambda record: record.rating,
    "clipped": lambda record: record.quality[0].value if record.quality else None,
}
TESTS = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def holds(name, operator, value, record):
    """What a comparison should say of a record: '!=' is all that '=' is not."""
    if operator == "!=":
        return not holds(name, "=", value, record)
    found = COLUMNS[name](record)
    return found is not None and TESTS[operator](found, value)


comparisons = st.one_of(
    st.tuples(st.just("steps"), st.sampled_from(OPERATORS), st.integers(18, 24)),
    st.tuples(st.just("cfg"), st.sampled_from(OPERATORS), st.sampled_from([5.5, 6.0, 1.0])),
    st.tuples(st.just("seed"), st.sampled_from(OPERATORS), st.sampled_from([0, 3, 2**63, 2**64 - 1])),
    st.tuples(st.just("eta"), st.sampled_from(OPERATORS), st.sampled_from([0.0, 0.5, 1.0])),
    st.tuples(st.just("rating"), st.sampled_from(OPERATORS), st.integers(1, 5)),
    st.tuples(st.just("clipped"), st.sampled_from(OPERATORS), st.sampled_from([0.01, 0.5])),
)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)


def text_of(tree):
    if tree[0] == "not":
        return f"not ({text_of(tree[1])})"
    if tree[0] in ("and", "or"):
        return "(" + f" {tree[0]} ".join(text_of(one) for one in tree[1]) + ")"
    return f"{tree[0]}{tree[1]}{tree[2]}"


def answer(tree, record):
    if tree[0] == "not":
        return not answer(tree[1], record)
    if tree[0] in ("and", "or"):
        return (all if tree[0] == "and" else any)(answer(one, record) for one in tree[1])
    return holds(*tree, record)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shelf(request, tmp_path_factory):
    """A store with pictures that differ in many ways, and its records."""
    folder = tmp_path_factory.mktemp("shelf")
    on_disk = nullcontext(str(folder / "a.sqlite"))
    place = on_disk if request.param == "sqlite" else database(request.getfixturevalue("postgres"))
    with place as where, open_store(where, folder=folder / "files") as store:
        seeds = [0, 1, 2, 3, 4, 2**63 - 1, 2**63, 2**64 - 1]
        for number, seed in enumerate(seeds):
            made = recipe(seed, steps=18 + number % 5)
            eta = {0: None, 1: 0.0, 2: 0.5}[number % 3]
            made = made.model_copy(update={"sampling": made.sampling.model_copy(update={"eta": eta})})
            record, png = drawn(made, number)
            stored = store.save(record if number % 4 else record.model_copy(update={"quality": ()}), png)
            if number % 2:
                store.mark(stored.id, rating=1 + number // 2)
        store.save(failing(recipe(7), "boom"), None)
        yield store, store.history()


@settings(max_examples=200, deadline=None)
@given(tree=trees)
def test_any_query_answers_as_plain_python_does(shelf, tree):
    store, records = shelf
    right = [record.id for record in records if answer(tree, record)]
    assert [record.id for record in store.history(text_of(tree))] == right


@pytest.mark.parametrize("few", [0, 3, 10**6])
def test_answers_do_not_depend_on_how_they_are_found(few, shelf, monkeypatch):
    store, records = shelf
    monkeypatch.setattr("aldente.store.search.FEW", few)
    queries = (
        "steps>=19 steps<22 or rating=4",
        "not has:eta and cfg=5.5",
        "eta>=0 eta<0.4 since 2026-01-01",
        "id:" + records[0].id[:3],
    )
    found = {query: [record.recipe.seed for record in store.history(query)] for query in queries}
    assert found == {
        queries[0]: [r.recipe.seed for r in records if 19 <= r.recipe.sampling.steps < 22 or r.rating == 4],
        queries[1]: [r.recipe.seed for r in records if r.recipe.sampling.eta is None],
        queries[2]: [r.recipe.seed for r in records if r.recipe.sampling.eta == 0.0],
        queries[3]: [records[0].recipe.seed],
    }
